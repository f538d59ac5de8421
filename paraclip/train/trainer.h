#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/train/checkpoint.h"
#include "paraclip/train/communicator.h"
#include "paraclip/train/gradient_buffer.h"
#include "paraclip/train/lora.h"
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
///
/// Several processes do the same with their part of every batch: gradients are summed over them,
/// and all make the same update. Rank 0 alone evaluates and writes.
class Trainer {
 public:
  /// `objective` must outlive it, and so must `ranks`; without, this process is alone. Ranks share
  /// the output folder. With options.resume, takes up the last checkpoint of
  /// options.output; without, that folder must hold none. Writes nothing yet. Throws kUsage, kData
  /// for options, data and checkpoints that do not fit together, or differ between ranks.
  Trainer(Objective& objective, TrainOptions options, Evaluator evaluate, ProgressCallback progress,
          Communicator* ranks = nullptr);

  /// Trains to the end, or until options.patience runs out, with evaluations and checkpoints, and
  /// returns the final state.
  ///
  /// Throws kInterrupted after saving a checkpoint when a stop was asked for; kNumeric after
  /// options.max_skipped non-finite steps in a row; kIo when a checkpoint cannot be written,
  /// leaving the one before.
  TrainState run();

  int64_t total_steps() const { return steps_per_epoch_ * options_.epochs; }

  /// Forward, backward and update for `samples`, at this learning rate; `draw` determines what the
  /// objective draws at random.
  StepReport step(const std::vector<int64_t>& samples, double learning_rate, uint64_t draw = 0);

  /// The samples of step `step`, of all ranks: a pure function of the seed and the step.
  std::vector<int64_t> samples_of(int64_t step) const;

 private:
  std::unique_ptr<PreparedBatch> prepare(const std::vector<int64_t>& samples, uint64_t draw) const;
  StepReport step_on(PreparedBatch& batch, double learning_rate);
  bool writes() const { return ranks_.rank() == 0; }
  void choose_parameters();
  void check_ranks();
  void restore();
  void start();
  bool evaluation_due() const;
  void evaluate_and_save();
  void evaluate();
  bool stops_early() const;
  [[noreturn]] void stop() const;
  void save();
  void log_step(const StepReport& report, double learning_rate, double seconds, double data_wait);
  std::string choose_best_metric(const Json& metrics) const;
  bool holds_guard(const Json& metrics) const;

  Objective& objective_;
  TextModel& model_;
  TrainOptions options_;
  Evaluator evaluate_;
  ProgressCallback progress_;
  std::unique_ptr<Communicator> alone_;
  Communicator& ranks_;
  int64_t steps_per_epoch_ = 0;
  std::unique_ptr<Lora> lora_;        // Where options_.lora_rank asks for it.
  std::vector<NamedTensor> trained_;  // What the optimizer changes.
  std::unique_ptr<GradientBuffer> gradients_;
  std::unique_ptr<AdamW> optimizer_;
  CheckpointStore store_;
  std::unique_ptr<MetricsLog> log_;  // Where this rank writes.
  TrainState state_;
};

}  // namespace paraclip
