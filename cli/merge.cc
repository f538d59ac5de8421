// paraclip merge: weights between a model's and its fine-tune's.

#include "paraclip/clip/merge.h"

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/embed/embedder.h"
#include "paraclip/eval/retrieval_benchmark.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

namespace paraclip::cli {
namespace {

struct Options {
  CommonOptions common;
  ModelOption base, tuned;
  std::vector<double> alphas;
  RetrievalOptions retrieval;
  std::filesystem::path output;

  bool evaluates() const { return !retrieval.image_embeddings.empty(); }
};

void check(const Options& options) {
  if (!options.evaluates() && options.output.empty()) {
    fail(ErrorKind::kUsage,
         "merge needs -o to write a model, or --image-embeddings with --captions or --pairs to "
         "measure it");
  }
  if (!options.output.empty() && options.alphas.size() > 1) {
    fail(ErrorKind::kUsage, "-o writes one model: expected one --alpha, found {}",
         options.alphas.size());
  }
  const bool has_data = !options.retrieval.captions.empty() || !options.retrieval.pairs.empty();
  if (options.evaluates() != has_data) {
    fail(ErrorKind::kUsage, "--image-embeddings goes with --captions or --pairs");
  }
}

void print_table(const Json& results) {
  if (results.front()["metrics"].is_null()) return;
  fmt::print("{:>6}", "alpha");
  for (const auto& [name, value] : results.front()["metrics"].items()) fmt::print("  {}", name);
  fmt::print("\n");
  for (const Json& result : results) {
    fmt::print("{:>6g}", result["alpha"].get<double>());
    for (const auto& [name, value] : result["metrics"].items()) {
      fmt::print("  {:>{}.2f}", value.get<double>(), name.size());
    }
    fmt::print("\n");
  }
}

void run(const Options& options) {
  apply_common_options(options.common);
  check(options);
  const ModelSource base = find_model(options.base, options.common);
  std::optional<RetrievalBenchmark> benchmark;
  if (options.evaluates()) {
    check_image_tower(options.retrieval.image_embeddings, base);
    benchmark = RetrievalBenchmark::load(options.retrieval);
  }
  Merge merge(base, find_model(options.tuned, options.common));
  const TextEncoder encode = [&](const std::vector<std::string>& texts) {
    return merge.model().encode(texts);
  };
  Json results = Json::array();
  for (const double alpha : options.alphas) {
    merge.set(alpha);
    Json result = Json::object();
    result["alpha"] = alpha;
    result["metrics"] =
        benchmark ? benchmark->run(encode, make_progress(options.common)).to_json()["metrics"]
                  : Json();
    results.push_back(result);
  }
  if (!options.output.empty()) merge.save(options.output);
  if (options.common.json) {
    Json json = Json::object();
    json["results"] = results;
    if (!options.output.empty()) json["output"] = options.output.string();
    return print_json(json);
  }
  print_table(results);
  if (!options.output.empty()) fmt::print("{}\n", options.output.string());
}

}  // namespace

void define_merge(CLI::App& app) {
  auto options = std::make_shared<Options>();
  RetrievalOptions& retrieval = options->retrieval;
  add_model_option(app, options->base, "--base")->required();
  app.add_option("--tuned", options->tuned.name, "The model that was tuned from it: as --base")
      ->required();
  app.add_option("--alpha", options->alphas, "0: base, 1: tuned; several by commas to measure")
      ->delimiter(',')
      ->required();
  app.add_option("-o,--output", options->output, "Folder to make, with the model of one alpha");
  app.add_option("--image-embeddings", retrieval.image_embeddings,
                 "Folder of image embeddings, as 'embed' writes it");
  app.add_option("--images", retrieval.images, "Image ids to search in, one a line");
  app.add_option("--captions", retrieval.captions, "TSV with image_id, caption: measures recall@k");
  app.add_option("--pairs", retrieval.pairs, "TSV with query, paraphrase: measures AO@k and JS@k");
  add_common_options(app, options->common);
  app.callback([options] { run(*options); });
}

}  // namespace paraclip::cli
