// paraclip eval: benchmarks of a model, and what it gains and loses against a baseline.

#include "cli/command.h"
#include "cli/common.h"
#include "cli/eval_table.h"
#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/embed/embedder.h"
#include "paraclip/eval/model_encoder.h"
#include "paraclip/eval/suite.h"
#include "paraclip/eval/suite_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace paraclip::cli {
namespace {

namespace fs = std::filesystem;

struct EvalOptions {
  CommonOptions common;
  ModelOption model, baseline, image_model;
  fs::path image_embeddings, cache, output;
  std::vector<std::string> benchmarks;
  BenchmarkData data;
  BootstrapOptions bootstrap;
  std::string precision = "fp32";
  bool no_cache = false;
  bool list = false;

  bool own_data() const { return !data.captions.empty() || !data.pairs.empty(); }
};

// What is to be run: what was asked for, else all that the data given are for.
std::vector<BenchmarkEntry> entries_of(EvalOptions& options) {
  std::erase(options.benchmarks,
             "");  // What an effective config says of a list that was not given.
  if (options.benchmarks.empty()) {
    if (!options.data.folder.empty()) options.benchmarks.emplace_back("all");
    if (options.own_data()) options.benchmarks.emplace_back("own");
  }
  if (options.benchmarks.empty()) {
    fail(ErrorKind::kUsage,
         "eval has nothing to measure: expected --data with the benchmarks' files, or --captions "
         "or --pairs with --image-embeddings");
  }
  return select_benchmarks(options.benchmarks);
}

// The image vectors of a model: of the embeddings given, and of its image tower, if it has one.
std::shared_ptr<ImageVectors> image_vectors(const EvalOptions& options, const ModelSource& source,
                                            const ImageEmbeddings* embeddings) {
  const Precision precision = parse_precision(options.precision);
  if (embeddings != nullptr) check_image_tower(options.image_embeddings, source);
  std::unique_ptr<ImageModel> tower;
  if (!options.data.folder.empty() && ModelFiles::open(source).config.vision)
    tower = std::make_unique<ImageModel>(ImageModel::load(source, precision));
  if (!tower && embeddings == nullptr) return nullptr;
  return std::make_shared<ImageVectors>(embeddings, std::move(tower), options.cache,
                                        make_progress(options.common));
}

SuiteReport evaluate(EvalOptions& options) {
  const std::vector<BenchmarkEntry> entries = entries_of(options);
  if (options.no_cache) options.cache.clear();
  std::optional<ImageEmbeddings> embeddings;
  if (!options.image_embeddings.empty())
    embeddings = ImageEmbeddings::load(options.image_embeddings);
  options.data.embeddings = embeddings ? &*embeddings : nullptr;

  const auto load = [&](const ModelOption& option, std::shared_ptr<ImageVectors> shared) {
    const ModelSource source = find_model(option, options.common);
    const ModelSource image_source =
        options.image_model.empty() ? source : find_model(options.image_model, options.common);
    auto images = image_vectors(options, image_source, options.data.embeddings);
    // Two models with one image tower share what it computes.
    if (shared && (!images || images->tower() == shared->tower())) images = shared;
    auto text = std::make_unique<TextModel>(TextModel::load(source));
    text->tower().set_precision(parse_precision(options.precision));
    return std::pair(std::make_unique<ModelEncoder>(std::move(text), images, options.cache,
                                                    make_progress(options.common)),
                     images);
  };
  const auto [model, images] = load(options.model, nullptr);
  std::unique_ptr<ModelEncoder> baseline;
  if (!options.baseline.empty()) baseline = load(options.baseline, images).first;
  options.data.image_tower = images && !images->tower().empty();

  SuiteReport report = run_suite(entries, options.data, *model, baseline.get(), options.bootstrap,
                                 make_progress(options.common));
  report.model = options.model.name;
  report.baseline = options.baseline.name;
  return report;
}

// A run that measured nothing is no success, whatever it could say of the reasons.
void check_something_ran(const SuiteReport& report) {
  const auto ran = [](const BenchmarkResult& benchmark) { return !benchmark.metrics.empty(); };
  if (std::any_of(report.benchmarks.begin(), report.benchmarks.end(), ran)) return;
  std::string reasons;
  for (const BenchmarkResult& benchmark : report.benchmarks) {
    for (const Lack& lack : benchmark.lacks)
      reasons += fmt::format("\n  {}, {}: missing {}; {}", benchmark.name, lack.part, lack.what,
                             lack.remedy);
  }
  fail(ErrorKind::kData, "nothing could be measured:{}", reasons);
}

void run(const CLI::App& app, EvalOptions& options) {
  apply_common_options(options.common);
  if (options.list) return print_benchmarks();
  if (options.model.empty()) fail(ErrorKind::kUsage, "--model is required");
  const SuiteReport report = evaluate(options);
  const Json json = report.to_json();
  if (!options.output.empty()) {
    make_directories(options.output);
    write_effective_config(app, options.output);
    write_suite_examples(report, options.output / "per_example.jsonl");
    write_file_atomic(options.output / "report.json", dump_json(json, /*indent=*/2) + "\n");
    write_file_atomic(options.output / "report.html", suite_page(report));
  }
  if (options.common.json) {
    print_json(json);
  } else {
    print_report(report);
  }
  check_something_ran(report);
}

}  // namespace

void define_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  BenchmarkData& data = options->data;
  options->cache = default_vector_cache();
  add_model_option(app, options->model);
  app.add_option("--baseline", options->baseline.name, "A model to compare with: as --model");
  app.add_option("--benchmarks", options->benchmarks,
                 "Names by commas, or all (default: what the data given are for)")
      ->delimiter(',');
  app.add_flag("--list", options->list, "List the benchmarks, and measure nothing");
  app.add_option("--data", data.folder, "Folder with the benchmarks' files: see 'paraclip data'");
  app.add_flag("--partial", data.partial, "Run on the images at hand; names then say which part");
  app.add_option("--image-embeddings", options->image_embeddings,
                 "Folder of image embeddings, as 'embed' writes it");
  app.add_option("--image-model", options->image_model.name,
                 "Model whose image tower encodes images (default: --model)");
  app.add_option("--captions", data.captions, "Own captions (TSV image_id, caption): recall@k");
  app.add_option("--pairs", data.pairs,
                 "Own queries (TSV query, paraphrase; or group, query): AO@k, JS@k");
  app.add_option("--images", data.images,
                 "Ids of the images to search in, one a line (default: those of the captions, or "
                 "all)");
  app.add_option("--k", data.k, "Depth of AO@k and JS@k")->capture_default_str();
  app.add_option("--recall-k", data.recall_k, "Depths of recall@k, by commas")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--precision", options->precision, "fp32 or bf16: what towers compute in")
      ->capture_default_str();
  app.add_option("--resamples", options->bootstrap.resamples, "Of the bootstrap")
      ->capture_default_str();
  app.add_option("--seed", options->bootstrap.seed, "Of the bootstrap")->capture_default_str();
  app.add_option("--cache", options->cache, "Folder to keep vectors in");
  app.add_flag("--no-cache", options->no_cache, "Neither use nor keep vectors");
  app.add_option("-o,--output", options->output,
                 "Folder for report.html, report.json, per_example.jsonl, config.toml");
  add_common_options(app, options->common);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace paraclip::cli
