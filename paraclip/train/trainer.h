#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/train/checkpoint.h"
#include "paraclip/train/losses.h"
#include "paraclip/train/metrics_log.h"
#include "paraclip/train/optimizer.h"
#include "paraclip/train/train_options.h"
#include "paraclip/train/training_set.h"

#include <functional>
#include <memory>
#include <vector>

namespace paraclip {

/// Metrics of a model, in percent by name; what `best` is chosen by is one of them. Empty: no
/// evaluation.
using Evaluator = std::function<Json(const TextModel& model)>;

/// One step's numbers.
struct StepReport {
  double loss = 0, image_loss = 0, caption_loss = 0, paraphrase_loss = 0;
  double grad_norm = 0;
  int64_t tokens = 0;
  bool finite = true;  ///< Otherwise the step changed nothing.
};

/// Fine-tunes a text tower on triples with fixed image embeddings (Kim et al., EACL 2024).
class Trainer {
 public:
  /// `model`, `set` and `images` must outlive it. With options.resume, takes up the last checkpoint
  /// of options.output; without, that folder must hold none. Writes nothing yet. Throws kUsage,
  /// kData for options, data and checkpoints that do not fit together.
  Trainer(TextModel& model, const TrainingSet& set, const ImageEmbeddings& images,
          TrainOptions options, Evaluator evaluate, ProgressCallback progress);

  /// Trains to the end, with evaluations and checkpoints, and returns the final state.
  ///
  /// Throws kInterrupted after saving a checkpoint when a stop was asked for; kNumeric after
  /// options.max_skipped non-finite steps in a row; kIo when a checkpoint cannot be written,
  /// leaving the one before.
  TrainState run();

  int64_t total_steps() const { return steps_per_epoch_ * options_.epochs; }

  /// Forward, backward and update for the triples `samples`, at this learning rate.
  StepReport step(const std::vector<int64_t>& samples, double learning_rate);

  /// The triples of step `step`: a pure function of the seed and the step.
  std::vector<int64_t> samples_of(int64_t step) const;

 private:
  void restore();
  void start();
  void evaluate_now();
  void save();
  void log_step(const StepReport& report, double learning_rate, double seconds);
  TripleBatch embed(const std::vector<int64_t>& samples, int64_t& tokens) const;
  std::string choose_best_metric(const Json& metrics) const;

  TextModel& model_;
  const TrainingSet& set_;
  const ImageEmbeddings& images_;
  TrainOptions options_;
  Evaluator evaluate_;
  ProgressCallback progress_;
  int64_t steps_per_epoch_ = 0;
  std::unique_ptr<AdamW> optimizer_;
  CheckpointStore store_;
  std::unique_ptr<MetricsLog> log_;
  TrainState state_;
};

}  // namespace paraclip
