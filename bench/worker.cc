// Stands for paraclip among the contestants of bench/run.py: reads requests and writes replies, a
// line of JSON each. The requests are those of bench/peer.py, and further:
//
//   products    tokens, precision, kind, repeats  the blocks' matrix products alone
//   embeddings  batch, width                      makes random embeddings of triples
//   loss                                          the three losses of those, with all gradients

#include "bench/products.h"
#include "paraclip/base/error.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/train/communicator.h"
#include "paraclip/train/losses.h"
#include "paraclip/train/trainer.h"
#include "paraclip/train/training_set.h"
#include "paraclip/train/triple_objective.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace paraclip::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhere = "a request";

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A model and, for training, what `paraclip train` makes of its options.
class Worker {
 public:
  explicit Worker(const Json& setup)
      : model_(TextModel::load(ModelSource(json_string(setup, "model", kWhere)))),
        images_(
            ImageEmbeddings::load(fs::path(json_string(setup, "model", kWhere)) / "embeddings")),
        set_(TrainingSet::load(json_string(setup, "triples", kWhere), images_, model_,
                               /*max_missing=*/0)),
        objective_(model_, set_, images_, {},
                   static_cast<int64_t>(setup.value("memory_gb", 0.0) * 1e9)),
        training_(setup.at("training").get<bool>()) {
    model_.tower().set_precision(parse_precision(json_string(setup, "precision", kWhere)));
    if (!training_) return;
    TrainOptions options;
    options.output = fs::temp_directory_path() / "paraclip-bench-writes-nothing";
    options.batch_size = json_integer(setup, "batch", kWhere);
    options.learning_rate = 1e-6;
    trainer_ = std::make_unique<Trainer>(objective_, options, Evaluator(), ProgressCallback());
  }

  Json check(const Json& request) {
    const auto samples = request.at("samples").get<std::vector<int64_t>>();
    Json reply = Json::object();
    if (training_) {
      for (const auto& [name, parameter] : model_.tower().parameters()) {
        if (parameter.grad().defined()) parameter.grad().zero_();
      }
      reply["loss"] =
          objective_.accumulate_gradients(*objective_.prepare(samples, /*draw=*/0)).total;
    }
    const auto captions = request.at("captions").get<std::vector<std::string>>();
    const at::Tensor rows = model_.encode(captions);
    reply["embeddings"] = Json::array();
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const float* row = rows.const_data_ptr<float>() + i * rows.size(1);
      reply["embeddings"].push_back(std::vector<float>(row, row + rows.size(1)));
    }
    return reply;
  }

  Json step(const Json& request) {
    const auto samples = request.at("samples").get<std::vector<int64_t>>();
    const auto start = std::chrono::steady_clock::now();
    const StepReport report = trainer_->step(samples, /*learning_rate=*/1e-6);
    Json reply = Json::object();
    reply["seconds"] = seconds_since(start);
    reply["update_seconds"] = 0.0;  // A part of the seconds.
    reply["loss"] = report.loss;
    reply["tokens"] = report.tokens;
    std::vector<int64_t> lengths;
    for (const int64_t sample : samples) {
      for (const auto part :
           {TrainingSet::kCaption, TrainingSet::kParaphrase1, TrainingSet::kParaphrase2}) {
        lengths.push_back(static_cast<int64_t>(set_.tokens(sample, part).size()));
      }
    }
    reply["text_tokens"] = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
    reply["needed_flops"] = needed_flops(model_.config().text, lengths);
    return reply;
  }

  Json query(const Json& request) const {
    const std::vector<std::string> texts = {json_string(request, "text", kWhere)};
    std::vector<double> seconds;
    for (int64_t i = json_integer(request, "count", kWhere); i > 0; --i) {
      const auto start = std::chrono::steady_clock::now();
      model_.encode(texts);
      seconds.push_back(seconds_since(start));
    }
    return {{"seconds", seconds}};
  }

  Json products(const Json& request) const {
    return {
        {"products", time_products(model_.config().text, json_integer(request, "tokens", kWhere),
                                   json_string(request, "precision", kWhere) == "bf16",
                                   parse_product_kind(json_string(request, "kind", kWhere)),
                                   json_integer(request, "repeats", kWhere))}};
  }

 private:
  TextModel model_;
  ImageEmbeddings images_;
  TrainingSet set_;
  TripleObjective objective_;
  bool training_;
  std::unique_ptr<Trainer> trainer_;
};

TripleBatch random_embeddings(int64_t batch, int64_t width) {
  const auto side = [&] { return normalize_rows(at::randn({batch, width})); };
  return {side(), side(), side(), side(), {}, {}, {}, {}};
}

Json time_loss(const TripleBatch& batch) {
  const auto ranks = Communicator::single();
  constexpr double kLogitScale = 2.6592;
  const auto start = std::chrono::steady_clock::now();
  const TripleLoss loss = paraclip_loss(batch, kLogitScale, {}, *ranks);
  return {{"seconds", seconds_since(start)}, {"loss", loss.total}};
}

struct State {
  std::unique_ptr<Worker> worker;
  TripleBatch embeddings;
};

Json answer(State& state, const Json& request) {
  const std::string what = json_string(request, "do", kWhere);
  if (request.contains("threads")) {
    at::set_num_threads(static_cast<int>(json_integer(request, "threads", kWhere)));
  }
  if (what == "setup") {
    state.worker = std::make_unique<Worker>(request);
    return {{"paraclip", PARACLIP_VERSION}};
  }
  if (what == "embeddings") {
    state.embeddings = random_embeddings(json_integer(request, "batch", kWhere),
                                         json_integer(request, "width", kWhere));
    return Json::object();
  }
  if (what == "loss") return time_loss(state.embeddings);
  if (!state.worker) fail(ErrorKind::kUsage, "'{}' came before 'setup'", what);
  if (what == "check") return state.worker->check(request);
  if (what == "step") return state.worker->step(request);
  if (what == "query") return state.worker->query(request);
  if (what == "products") return state.worker->products(request);
  fail(ErrorKind::kUsage, "unknown request '{}'", what);
}

void serve() {
  State state;
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = parse_json(line, kWhere);
    if (json_string(request, "do", kWhere) == "exit") return;
    Json reply;
    try {
      reply = answer(state, request);
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    std::cout << dump_json(reply) << std::endl;
  }
}

}  // namespace
}  // namespace paraclip::bench

int main() {
  try {
    paraclip::bench::serve();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
