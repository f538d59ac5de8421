#pragma once

#include "paraclip/base/file.h"
#include "paraclip/train/trainer.h"
#include "paraclip/train/triple_objective.h"
#include "tests/train/golden_data.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <filesystem>
#include <string>

namespace paraclip {

/// Thrown by an evaluator to end a run as a kill would: between two steps, without a word.
struct Killed {};

/// Runs of the golden model on its triples.
class TrainerTest : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(2); }

  TrainOptions options(const std::string& name) {
    TrainOptions options;
    options.output = folder / name;
    options.batch_size = 4;
    options.epochs = 3;
    options.learning_rate = 1e-3;
    options.warmup = 2;
    options.eval_every = 3;
    options.log_every = 1;
    return options;
  }

  /// A run to its end, or to what `evaluate` throws.
  TrainState run(const TrainOptions& options, const Evaluator& evaluate = {}) {
    TextModel fresh = TextModel::load(test::golden_clip() / "model");
    TripleObjective fresh_objective(fresh, set, images, {});
    return Trainer(fresh_objective, options, evaluate, {}).run();
  }

  /// All that a run leaves in numbers.
  static std::string weights(const std::filesystem::path& folder) {
    return read_file(folder / "model.safetensors") + read_file(folder / "trainer.safetensors");
  }

  test::TemporaryFolder folder;
  ImageEmbeddings images = ImageEmbeddings::load(test::golden_clip() / "embeddings");
  TextModel model = TextModel::load(test::golden_clip() / "model");
  TrainingSet set = TrainingSet::load(test::golden_clip() / "triples.jsonl", images, model, 0);
  TripleObjective objective = TripleObjective(model, set, images, {});
};

/// Falls with the weights' movement: the first evaluation is the best one.
inline Json distance_metric(const TextModel& model) {
  static const TextModel base = TextModel::load(test::golden_clip() / "model");
  const at::NoGradGuard no_grad;
  return {
      {"ao@10", at::matmul(model.encode({"a dog"}), base.encode({"a dog"}).t()).item<double>()}};
}

}  // namespace paraclip
