#pragma once

#include "paraclip/base/json.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/clip/vision_tower.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace paraclip {

/// The loss of one step.
struct StepLoss {
  at::Tensor total;  ///< What is differentiated.
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

  /// The loss of the samples numbered `samples`, under autograd. Whatever is drawn at random is a
  /// pure function of `draw`.
  virtual StepLoss loss(const std::vector<int64_t>& samples, uint64_t draw) = 0;
};

}  // namespace paraclip
