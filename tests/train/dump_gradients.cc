// The gradients of one step, for scripts/compare_gradients.py:
//
//   [mpirun -n K] dump_gradients MODEL DATA BATCH PRECISION MEMORY OUTPUT
//
// takes the first BATCH triples of DATA (triples.jsonl and the image embeddings in embeddings/),
// cut among the processes, in at most MEMORY bytes (0: any), and writes every gradient under the
// names of the model's family to the file OUTPUT. Prints the loss and its parts.

#include "paraclip/base/error.h"
#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/io/safetensors.h"
#include "paraclip/nn/parallel.h"
#include "paraclip/train/communicator.h"
#include "paraclip/train/training_set.h"
#include "paraclip/train/triple_objective.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <numeric>
#include <string>
#include <vector>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

void run(const std::vector<std::string>& arguments, Communicator& ranks) {
  TextModel model = TextModel::load(ModelSource(arguments[0]));
  const fs::path data = arguments[1];
  model.tower().set_trainable(true);
  model.tower().set_precision(parse_precision(arguments[3]));
  const ImageEmbeddings images = ImageEmbeddings::load(data / "embeddings");
  const TrainingSet set =
      TrainingSet::load(data / "triples.jsonl", images, model, /*max_missing=*/0);
  TripleObjective objective(model, set, images, {}, std::stoll(arguments[4]), &ranks);

  const Range part = share_of(std::stoll(arguments[2]), ranks.rank(), ranks.size());
  std::vector<int64_t> samples(static_cast<size_t>(part.end - part.begin));
  std::iota(samples.begin(), samples.end(), part.begin);
  const StepLoss loss = objective.accumulate_gradients(*objective.prepare(samples, /*draw=*/0));
  std::vector<NamedTensor> gradients;
  for (const auto& [name, parameter] : model.tower().parameters()) {
    at::Tensor gradient = parameter.grad();
    ranks.all_reduce_sum(
        std::span(gradient.mutable_data_ptr<float>(), static_cast<size_t>(gradient.numel())));
    gradients.emplace_back(name, gradient);
  }
  if (ranks.rank() != 0) return;
  write_safetensors(
      arguments[5],
      to_file_tensors(text_tensor_names(model.config().text), gradients, model.config().family),
      {});
  Json json = Json::object();
  json["loss"] = loss.total;
  for (const auto& [name, value] : loss.parts) json[name] = value;
  fmt::print("{}\n", dump_json(json));
}

}  // namespace
}  // namespace paraclip

int main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr, "usage: dump_gradients MODEL DATA BATCH PRECISION MEMORY OUTPUT\n");
    return 2;
  }
  try {
    const auto ranks = paraclip::Communicator::create();
    ranks->run([&] { paraclip::run({argv + 1, argv + argc}, *ranks); });
    return 0;
  } catch (const paraclip::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
