// Trains for the comparisons of scripts/parity with a loop written in Python:
//
//   dump_training MODEL ACTIVATION DATA BATCH LR WARMUP [OUTPUT]
//
// prints, as JSON, the samples of every step of one epoch over DATA (triples.jsonl and the image
// embeddings in embeddings/) and, with OUTPUT, takes those steps and prints their losses and
// gradient norms. Into that folder go gradients.safetensors, every gradient of the first step under
// the names of the model's family, and what saving the trained model gives, in tuned/. ACTIVATION
// is "-" where the model's configuration says it.

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/io/safetensors.h"
#include "paraclip/train/schedule.h"
#include "paraclip/train/trainer.h"
#include "paraclip/train/training_set.h"
#include "paraclip/train/triple_objective.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <string>
#include <vector>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// The gradients of one step over `samples`, before any clipping.
void write_gradients(TripleObjective& objective, const std::vector<int64_t>& samples,
                     const fs::path& file) {
  const TextModel& model = objective.text();
  objective.accumulate_gradients(*objective.prepare(samples, /*draw=*/0));
  std::vector<NamedTensor> gradients;
  for (const auto& [name, parameter] : model.tower().parameters()) {
    gradients.emplace_back(name, parameter.grad());
  }
  write_safetensors(
      file,
      to_file_tensors(text_tensor_names(model.config().text), gradients, model.config().family),
      {});
}

Json train(Trainer& trainer, const TrainOptions& options) {
  Json losses = Json::array(), norms = Json::array();
  for (int64_t step = 0; step < trainer.total_steps(); ++step) {
    const double rate =
        cosine_learning_rate(step, options.learning_rate, options.warmup, trainer.total_steps());
    const StepReport report = trainer.step(trainer.samples_of(step), rate);
    losses.push_back(report.loss);
    norms.push_back(report.grad_norm);
  }
  Json result = Json::object();
  result["losses"] = losses;
  result["norms"] = norms;
  return result;
}

void run(const std::vector<std::string>& arguments) {
  ModelSource source(arguments[0]);
  if (arguments[1] != "-") source.activation = parse_activation(arguments[1], "ACTIVATION");
  const fs::path data = arguments[2];
  const bool trains = arguments.size() == 7;
  const fs::path output = trains ? fs::path(arguments[6]) : data / "unused";
  TrainOptions options;
  options.output = output;
  options.batch_size = std::stoll(arguments[3]);
  options.epochs = 1;
  options.learning_rate = std::stod(arguments[4]);
  options.warmup = std::stoll(arguments[5]);

  TextModel model = TextModel::load(source);
  const ImageEmbeddings images = ImageEmbeddings::load(data / "embeddings");
  const TrainingSet set =
      TrainingSet::load(data / "triples.jsonl", images, model, /*max_missing=*/0);
  TripleObjective objective(model, set, images, {});
  Trainer trainer(objective, options, {}, {});
  Json result = Json::object();
  if (trains) {
    make_directories(output / "tuned");
    write_gradients(objective, trainer.samples_of(0), output / "gradients.safetensors");
    result = train(trainer, options);
    model.save(output / "tuned");
  }
  result["samples"] = Json::array();
  for (int64_t step = 0; step < trainer.total_steps(); ++step) {
    result["samples"].push_back(Json(trainer.samples_of(step)));
  }
  fmt::print("{}\n", dump_json(result));
}

}  // namespace
}  // namespace paraclip

int main(int argc, char** argv) {
  if (argc != 7 && argc != 8) {
    fmt::print(stderr, "usage: dump_training MODEL ACTIVATION DATA BATCH LR WARMUP [OUTPUT]\n");
    return 2;
  }
  try {
    paraclip::run({argv + 1, argv + argc});
    return 0;
  } catch (const paraclip::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
