#pragma once

#include "paraclip/base/json.h"
#include "paraclip/clip/text_model.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace paraclip {

/// Where a run stands, beside weights and moments.
struct TrainState {
  int64_t step = 0;  ///< Steps done, skipped ones included: the position in the order of samples.
  int64_t skipped = 0;  ///< Of them, those that were not finite.
  int64_t optimizer_steps = 0;
  int64_t best_step = 0;          ///< The evaluated step whose checkpoint `best` points to.
  int64_t evaluated_step = -1;    ///< Of the last evaluation.
  int64_t stale_evaluations = 0;  ///< In a row, the last included, that gave no new best.
  std::optional<double> best_value;
  Json first_metrics, best_metrics,
      last_metrics;  ///< Of step 0, best_step and the last evaluation.
  int threads = 0;   ///< A run goes on bit for bit only with the same number of threads.
  Json identity;     ///< Options, data and base model: what a resumed run must agree on.
};

/// The checkpoints of one run. Each is a folder checkpoints/step-NNNNNNNN that holds a model
/// and the trainer's state (trainer.safetensors, trainer.json) and appears under its name only when
/// it is whole; the links `last` and `best` point to two of them, and others are removed.
class CheckpointStore {
 public:
  explicit CheckpointStore(std::filesystem::path output) : output_(std::move(output)) {}

  /// Whether a run has left a checkpoint here.
  bool empty() const { return !last(); }

  /// The newest checkpoint. An incomplete one cannot have the name of a complete one.
  std::optional<std::filesystem::path> last() const;

  /// Writes the checkpoint of state.step, points `last` to it and `best` to state.best_step, and
  /// removes all others but the newest `keep`. `vision` is the image tower where it is trained;
  /// `tensors` are the trainer's own. When it fails, the checkpoints before stay as they were.
  /// `card` becomes its README.md. Throws kIo.
  void save(const TextModel& model, const VisionTower* vision,
            const std::vector<NamedTensor>& tensors, const TrainState& state, bool text_only,
            const std::string& card, int64_t keep) const;

  /// Restores weights from last() and gives the trainer's own tensors to `tensors`, as views of the
  /// file. Throws kUsage if state.identity differs from `identity`, listing the options that
  /// differ; kData, kIo.
  TrainState resume(TextModel& model, VisionTower* vision, const Json& identity,
                    std::vector<NamedTensor>& tensors) const;

 private:
  std::filesystem::path output_;
};

}  // namespace paraclip
