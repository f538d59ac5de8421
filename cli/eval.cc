// paraclip eval: retrieval and its stability under rephrasing.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/embed/embedder.h"
#include "paraclip/eval/retrieval_benchmark.h"

#include <fmt/format.h>

#include <memory>

namespace paraclip::cli {
namespace {

struct EvalOptions {
  CommonOptions common;
  ModelOption model;
  RetrievalOptions retrieval;
  std::filesystem::path output;
};

RetrievalReport evaluate(const RetrievalBenchmark& benchmark, const EvalOptions& options) {
  const ModelSource source = find_model(options.model, options.common);
  check_image_tower(options.retrieval.image_embeddings, source);
  const TextModel model = TextModel::load(source);
  if (model.config().text.projection_dim != benchmark.width()) {
    fail(ErrorKind::kData,
         "the model {} gives vectors of width {} and the image embeddings in {} are {} wide; "
         "expected embeddings from the image encoder of this model",
         options.model.name, model.config().text.projection_dim,
         options.retrieval.image_embeddings.string(), benchmark.width());
  }
  return benchmark.run(
      [&model](const std::vector<std::string>& texts) { return model.encode(texts); },
      make_progress(options.common));
}

void print_table(const RetrievalReport& report) {
  fmt::print("{:<24}{:>10}\n", "metric", "percent");
  for (const auto& [name, value] : report.metrics) fmt::print("{:<24}{:>10.2f}\n", name, value);
  fmt::print("\n{:<24}{:>10}\n", "over", "count");
  for (const auto& [name, value] : report.counts) fmt::print("{:<24}{:>10}\n", name, value);
}

void run(const CLI::App& app, const EvalOptions& options) {
  apply_common_options(options.common);
  const RetrievalBenchmark benchmark = RetrievalBenchmark::load(options.retrieval);
  const RetrievalReport report = evaluate(benchmark, options);
  Json json = report.to_json();
  json["model"] = options.model.name;
  if (!options.output.empty()) {
    make_directories(options.output);
    write_effective_config(app, options.output);
    benchmark.write_examples(report, options.output / "per_example.jsonl");
    write_file_atomic(options.output / "report.json", dump_json(json, /*indent=*/2) + "\n");
  }
  if (options.common.json) {
    print_json(json);
  } else {
    print_table(report);
  }
}

}  // namespace

void define_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  RetrievalOptions& retrieval = options->retrieval;
  add_model_option(app, options->model)->required();
  app.add_option("--image-embeddings", retrieval.image_embeddings,
                 "Folder of image embeddings, as 'embed' writes it")
      ->required();
  app.add_option("--images", retrieval.images,
                 "Image ids to search in, one a line (default: those of the captions, or all)");
  app.add_option("--captions", retrieval.captions, "TSV with image_id, caption: measures recall@k");
  app.add_option("--pairs", retrieval.pairs, "TSV with query, paraphrase: measures AO@k and JS@k");
  app.add_option("--k", retrieval.k, "Depth of AO@k and JS@k")->capture_default_str();
  app.add_option("--recall-k", retrieval.recall_k, "Depths of recall@k, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("-o,--output", options->output,
                 "Folder for report.json, per_example.jsonl and config.toml");
  add_common_options(app, options->common);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace paraclip::cli
