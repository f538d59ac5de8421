#pragma once

#include "paraclip/base/json.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/clip/vision_tower.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace paraclip {

/// A batch, ready to be computed: what an objective needs of its samples. Of the objective's own
/// type.
struct PreparedBatch {
  virtual ~PreparedBatch() = default;
};

/// The loss of one step.
struct StepLoss {
  double total = 0;
  /// What it is made of, each before weighting, by its name in the logs.
  std::vector<std::pair<std::string, double>> parts;
  int64_t tokens = 0;  ///< Text tokens computed.
};

/// What a Trainer minimises: a loss over samples, and the towers that it trains.
class Objective {
 public:
  virtual ~Objective() = default;

  /// The text tower, always trained.
  virtual TextModel& text() = 0;

  /// The image tower, where it is trained as well.
  virtual VisionTower* vision() { return nullptr; }

  /// The number of samples to draw from.
  virtual int64_t size() const = 0;

  /// What one sample is called, in the plural: "triples".
  virtual std::string sample_name() const = 0;

  /// The data and options that determine the losses: a resumed run must agree on all of it.
  virtual Json identity() const = 0;

  /// Reads, tokenizes and arranges the samples numbered `samples`. A pure function of its
  /// arguments: whatever is drawn at random comes from `draw`. Called in other threads, while
  /// batches before are computed. Throws what reading them throws.
  virtual std::unique_ptr<PreparedBatch> prepare(const std::vector<int64_t>& samples,
                                                 uint64_t draw) const = 0;

  /// Computes the loss of a batch that prepare() made, and adds its gradients to the `grad` of
  /// every parameter that requires one. A loss that is not finite adds nothing.
  virtual StepLoss accumulate_gradients(PreparedBatch& batch) = 0;
};

}  // namespace paraclip
