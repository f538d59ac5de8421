#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/train/checkpoint.h"
#include "paraclip/train/gradient_buffer.h"
#include "paraclip/train/metrics_log.h"
#include "paraclip/train/objective.h"
#include "paraclip/train/optimizer.h"
#include "paraclip/train/train_options.h"

#include <functional>
#include <memory>
#include <vector>

namespace paraclip {

/// Metrics of a model, in percent by name; what `best` is chosen by is one of them. Empty: no
/// evaluation.
using Evaluator = std::function<Json(const TextModel& model)>;

/// One step's numbers.
struct StepReport {
  double loss = 0;
  std::vector<std::pair<std::string, double>> parts;  ///< As in StepLoss.
  double grad_norm = 0;
  int64_t tokens = 0;
  bool finite = true;  ///< Otherwise the step changed nothing.
};

/// Minimises an objective over the towers that it trains.
class Trainer {
 public:
  /// `objective` must outlive it. With options.resume, takes up the last checkpoint of
  /// options.output; without, that folder must hold none. Writes nothing yet. Throws kUsage, kData
  /// for options, data and checkpoints that do not fit together.
  Trainer(Objective& objective, TrainOptions options, Evaluator evaluate,
          ProgressCallback progress);

  /// Trains to the end, with evaluations and checkpoints, and returns the final state.
  ///
  /// Throws kInterrupted after saving a checkpoint when a stop was asked for; kNumeric after
  /// options.max_skipped non-finite steps in a row; kIo when a checkpoint cannot be written,
  /// leaving the one before.
  TrainState run();

  int64_t total_steps() const { return steps_per_epoch_ * options_.epochs; }

  /// Forward, backward and update for `samples`, at this learning rate; `draw` determines what the
  /// objective draws at random.
  StepReport step(const std::vector<int64_t>& samples, double learning_rate, uint64_t draw = 0);

  /// The samples of step `step`: a pure function of the seed and the step.
  std::vector<int64_t> samples_of(int64_t step) const;

 private:
  StepReport step_on(PreparedBatch& batch, double learning_rate);
  void restore();
  void start();
  void evaluate_now();
  void save();
  void log_step(const StepReport& report, double learning_rate, double seconds, double data_wait);
  std::string choose_best_metric(const Json& metrics) const;

  Objective& objective_;
  TextModel& model_;
  TrainOptions options_;
  Evaluator evaluate_;
  ProgressCallback progress_;
  int64_t steps_per_epoch_ = 0;
  std::vector<NamedTensor> trained_;
  std::unique_ptr<GradientBuffer> gradients_;
  std::unique_ptr<AdamW> optimizer_;
  CheckpointStore store_;
  std::unique_ptr<MetricsLog> log_;
  TrainState state_;
};

}  // namespace paraclip
