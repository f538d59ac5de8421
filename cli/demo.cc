// paraclip demo: the whole method on small drawn scenes, with a report to look at.

#include "cli/command.h"
#include "cli/common.h"
#include "cli/demo_report.h"
#include "cli/demo_steps.h"
#include "examples/scenes/dataset.h"
#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/eval/bootstrap.h"
#include "paraclip/eval/retrieval_benchmark.h"
#include "paraclip/eval/top_k.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/io/tsv.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <numeric>

namespace paraclip::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDepth = 10;  // Of AO@k and JS@k.
constexpr size_t kShownPairs = 6;
constexpr int64_t kShownImages = 6;

struct DemoOptions {
  CommonOptions common;
  fs::path output = "build/demo";
  fs::path scenes = "examples/scenes";  ///< base/, pairs.tsv, pairs_dev.tsv.
  fs::path llm;
  int64_t captions = 320;
  int64_t test_images = 1000;
  uint64_t seed = 1;

  fs::path base() const { return scenes / "base"; }
  fs::path embeddings(const char* part) const { return output / "embeddings" / part; }
  fs::path part(const char* name) const { return output / "scenes" / name; }

  // What a run that is gone on with must agree on.
  Json identity() const {
    Json json = Json::object();
    json["captions"] = captions;
    json["test_images"] = test_images;
    json["seed"] = seed;
    json["llm"] = llm.string();
    json["base"] = TextModel::load(base()).fingerprint();
    return json;
  }
};

// One model's results, example by example, in percent.
struct Measured {
  std::vector<double> average_overlap, jaccard;
  std::vector<double> recall_1, recall_5;
};

void add_options(CLI::App& app, DemoOptions& options) {
  app.add_option("-o,--output", options.output, "Folder for all that the demo makes")
      ->capture_default_str();
  app.add_option("--scenes", options.scenes, "Folder with base/, pairs.tsv and pairs_dev.tsv")
      ->capture_default_str();
  app.add_option("--captions", options.captions, "Captions to paraphrase")
      ->check(CLI::Range(64, 100'000))
      ->capture_default_str();
  app.add_option("--test-images", options.test_images, "Scenes to search in")
      ->check(CLI::Range(100, 100'000))
      ->capture_default_str();
  app.add_option("--llm", options.llm, "GGUF model that paraphrases (default: the small one)");
  app.add_option("--seed", options.seed, "Of scenes, paraphrases and training")
      ->capture_default_str();
  add_common_options(app, options.common);
}

// A folder of an unfinished run with the same options is gone on with; a finished one, or one of
// other options, is made anew. Nothing but the demo's own folders is ever removed.
void prepare_folder(const DemoOptions& options) {
  const fs::path marker = options.output / "demo.json";
  const Json identity = options.identity();
  if (fs::exists(options.output) && !fs::is_empty(options.output)) {
    if (!fs::exists(marker)) {
      fail(ErrorKind::kUsage,
           "{} holds other files and no demo.json; choose another --output or empty it",
           options.output.string());
    }
    const bool finished = fs::exists(options.output / "summary.json");
    if (!finished && read_json(marker) == identity) {
      log().info("going on with the demo in {}", options.output.string());
      return;
    }
    fs::remove_all(options.output);
  }
  make_directories(options.output);
  write_file_atomic(marker, dump_json(identity, 2) + "\n");
}

void draw(const DemoOptions& options, const char* part, int64_t count, uint64_t seed,
          const ProgressCallback& progress) {
  if (fs::exists(options.part(part))) return;
  make_directories(options.output / "scenes");
  scenes::DatasetOptions dataset;
  dataset.output = options.part(part);
  dataset.seed = seed;
  dataset.count = count;
  if (std::string_view(part) == "train") dataset.style = scenes::CaptionStyle::kWeb;
  scenes::write_dataset(dataset, progress);
}

std::vector<std::string> embed_arguments(const DemoOptions& options, const char* part) {
  return {"embed",
          "--model",
          options.base().string(),
          "--images",
          (options.part(part) / "images").string(),
          "-o",
          options.embeddings(part).string()};
}

std::vector<std::string> paraphrase_arguments(const DemoOptions& options) {
  std::vector<std::string> arguments = {
      "paraphrase",   (options.part("train") / "captions.tsv").string(),
      "-o",           (options.output / "triples").string(),
      "--recipe",     (options.scenes / "recipe.json").string(),
      "--clip-model", options.base().string()};
  if (!options.llm.empty()) {
    arguments.insert(arguments.end(), {"--llm", options.llm.string()});
  }
  return arguments;
}

// Small steps at a low rate, as chosen on pairs_dev.tsv: there are few triples, and what the base
// knows must stay.
std::vector<std::string> train_arguments(const DemoOptions& options) {
  // clang-format off
  std::vector<std::string> arguments = {
      "train", "--model", options.base().string(),
      "--triples", (options.output / "triples" / "triples.jsonl").string(),
      "--image-embeddings", options.embeddings("train").string(),
      "--eval-pairs", (options.scenes / "pairs_dev.tsv").string(),
      "-o", (options.output / "run").string(), "--seed", std::to_string(options.seed),
      "--batch-size", "32", "--epochs", "10", "--lr", "1e-4", "--warmup", "10",
      "--eval-every", "10", "--log-every", "1", "--mask-identical"};
  // clang-format on
  const fs::path checkpoints = options.output / "run" / "checkpoints";
  if (fs::exists(checkpoints) && !fs::is_empty(checkpoints)) arguments.push_back("--resume");
  return arguments;
}

RetrievalOptions retrieval_options(const DemoOptions& options) {
  RetrievalOptions retrieval;
  retrieval.image_embeddings = options.embeddings("test");
  retrieval.captions = options.part("test") / "captions.tsv";
  retrieval.pairs = options.scenes / "pairs.tsv";
  retrieval.k = kDepth;
  return retrieval;
}

Measured measure(const RetrievalBenchmark& benchmark, const TextModel& model,
                 const fs::path& folder) {
  const RetrievalReport report =
      benchmark.run([&](const std::vector<std::string>& texts) { return model.encode(texts); });
  make_directories(folder);
  write_file_atomic(folder / "report.json", dump_json(report.to_json(), 2) + "\n");
  benchmark.write_examples(report, folder / "per_example.jsonl");
  Measured measured;
  for (const RankSimilarity& pair : report.pair_values) {
    measured.average_overlap.push_back(100 * pair.average_overlap);
    measured.jaccard.push_back(100 * pair.jaccard);
  }
  for (const Rank rank : report.caption_ranks) {
    measured.recall_1.push_back(rank == 1 ? 100 : 0);
    measured.recall_5.push_back(rank >= 1 && rank <= 5 ? 100 : 0);
  }
  return measured;
}

Json compare(const Measured& base, const Measured& tuned) {
  Json metrics = Json::array();
  const auto add = [&](const std::string& name, const std::string& label,
                       const std::vector<double>& before, const std::vector<double>& after) {
    const Interval change = paired_bootstrap(before, after);
    const double start =
        std::accumulate(before.begin(), before.end(), 0.0) / static_cast<double>(before.size());
    Json metric = Json::object();
    metric["name"] = name;
    metric["label"] = label;
    metric["base"] = start;
    metric["tuned"] = start + change.mean;
    metric["difference"] = change.mean;
    metric["low"] = change.low;
    metric["high"] = change.high;
    metric["count"] = before.size();
    metrics.push_back(metric);
  };
  add("ao@10", "AO@10, hand-written pairs", base.average_overlap, tuned.average_overlap);
  add("js@10", "JS@10, hand-written pairs", base.jaccard, tuned.jaccard);
  add("t2i_recall@1", "R@1, captions to images", base.recall_1, tuned.recall_1);
  add("t2i_recall@5", "R@5, captions to images", base.recall_5, tuned.recall_5);
  return metrics;
}

// The first images of one side of the pairs shown, by model.
std::vector<std::vector<std::string>> first_images(const TextModel& model,
                                                   const std::vector<std::string>& queries,
                                                   const ImageEmbeddings& images) {
  std::vector<int64_t> rows(static_cast<size_t>(images.size()));
  std::iota(rows.begin(), rows.end(), 0);
  const at::Tensor best = top_k(model.encode(queries), images.rows(rows), kShownImages).indices;
  std::vector<std::vector<std::string>> names(queries.size());
  for (size_t query = 0; query < queries.size(); ++query) {
    for (int64_t place = 0; place < kShownImages; ++place) {
      const auto row = best[static_cast<int64_t>(query)][place].item<int64_t>();
      names[query].push_back(images.ids()[static_cast<size_t>(row)]);
    }
  }
  return names;
}

// Pairs for the report, from the greatest gain to the greatest loss in equal steps: a choice that
// shows failures as well as successes.
std::vector<ShownPair> choose_pairs(const DemoOptions& options, const Measured& base,
                                    const Measured& tuned, const TextModel& base_model,
                                    const TextModel& tuned_model) {
  std::vector<std::array<std::string, 2>> pairs;
  TsvReader reader(options.scenes / "pairs.tsv", {"query", "paraphrase"});
  for (std::vector<std::string_view> row; reader.next(row);) {
    pairs.push_back({std::string(row[0]), std::string(row[1])});
  }
  std::vector<size_t> order(pairs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return tuned.average_overlap[a] - base.average_overlap[a] >
           tuned.average_overlap[b] - base.average_overlap[b];
  });
  const size_t shown = std::min(kShownPairs, pairs.size());
  std::vector<size_t> chosen;
  std::vector<std::string> queries, paraphrases;
  for (size_t i = 0; i < shown; ++i) {
    const size_t pair = order[shown == 1 ? 0 : i * (order.size() - 1) / (shown - 1)];
    chosen.push_back(pair);
    queries.push_back(pairs[pair][0]);
    paraphrases.push_back(pairs[pair][1]);
  }
  const ImageEmbeddings images = ImageEmbeddings::load(options.embeddings("test"));
  std::vector<ShownPair> result(shown);
  const auto fill = [&](const TextModel& model, const Measured& measured,
                        RankedPair ShownPair::*side) {
    const auto first = first_images(model, queries, images);
    const auto second = first_images(model, paraphrases, images);
    for (size_t i = 0; i < shown; ++i) {
      result[i].*side = {first[i], second[i], measured.average_overlap[chosen[i]]};
    }
  };
  for (size_t i = 0; i < shown; ++i) {
    result[i].query = queries[i];
    result[i].paraphrase = paraphrases[i];
  }
  fill(base_model, base, &ShownPair::base);
  fill(tuned_model, tuned, &ShownPair::tuned);
  return result;
}

void print_summary(const DemoOptions& options, const Json& summary) {
  fmt::print("{} captions, {} triples, {} steps, {:.0f} s on {}\n",
             summary["captions"].get<int64_t>(), summary["triples"].get<int64_t>(),
             summary["steps"].get<int64_t>(), summary["seconds"]["total"].get<double>(),
             summary["machine"].get<std::string>());
  fmt::print("{:<32}{:>8}{:>8}{:>9}  {}\n", "percent", "base", "tuned", "change", "95 % interval");
  for (const Json& metric : summary["metrics"]) {
    fmt::print("{:<32}{:>8.2f}{:>8.2f}{:>+9.2f}  [{:+.2f}, {:+.2f}]\n",
               metric["label"].get<std::string>(), metric["base"].get<double>(),
               metric["tuned"].get<double>(), metric["difference"].get<double>(),
               metric["low"].get<double>(), metric["high"].get<double>());
  }
  fmt::print("\nreport  {}\nmodel   {}\n", (options.output / "report.html").string(),
             (options.output / "run" / "best").string());
  fmt::print("next    open the report; then docs/training.md, with captions of your own\n");
}

void run(const DemoOptions& options) {
  apply_common_options(options.common);
  if (!fs::exists(options.base())) {
    fail(ErrorKind::kUsage,
         "there is no base model in {}: run the demo in the project's folder, or name its "
         "examples/scenes with --scenes",
         options.base().string());
  }
  const ProgressCallback progress = make_progress(options.common);
  prepare_folder(options);
  DemoSteps steps(options.output, options.common.quiet);

  steps.run("draw",
            fmt::format("{} scenes to learn from, {} to search in", options.captions,
                        options.test_images),
            [&] {
              draw(options, "train", options.captions, 2 * options.seed, progress);
              draw(options, "test", options.test_images, 2 * options.seed + 1, progress);
            });
  steps.run("embed", "both with the base model's image encoder, once and for all", [&] {
    steps.command("embed-train", embed_arguments(options, "train"));
    steps.command("embed-test", embed_arguments(options, "test"));
  });
  steps.run("paraphrase", "web captions to plain words, plain words to other words",
            [&] { steps.command("paraphrase", paraphrase_arguments(options)); });
  steps.run("train", "the text encoder alone",
            [&] { steps.command("train", train_arguments(options)); });

  const TextModel base = TextModel::load(options.base());
  const TextModel tuned = TextModel::load(options.output / "run" / "best");
  Measured before, after;
  steps.run("evaluate", "base and tuned on hand-written pairs of queries", [&] {
    const RetrievalBenchmark benchmark = RetrievalBenchmark::load(retrieval_options(options));
    before = measure(benchmark, base, options.output / "eval" / "base");
    after = measure(benchmark, tuned, options.output / "eval" / "tuned");
  });

  const Json statistics = read_json(options.output / "triples" / "stats.json");
  const Json trained = read_json(options.output / "run" / "last" / "trainer.json");
  Json summary = Json::object();
  summary["captions"] = options.captions;
  summary["triples"] = json_integer(statistics, "triples", "stats.json");
  summary["model"] =
      options.llm.empty() ? "SmolLM2-135M-Instruct" : options.llm.filename().string();
  summary["base"] = options.base().string();
  summary["machine"] = machine_name();
  summary["train_images"] = options.captions;
  summary["test_images"] = options.test_images;
  summary["pairs"] = before.average_overlap.size();
  summary["steps"] = json_integer(trained, "step", "trainer.json");
  summary["best_step"] = json_integer(trained, "best_step", "trainer.json");
  summary["seconds"] = steps.seconds();
  summary["metrics"] = compare(before, after);

  const DemoReport report{options.output, summary,
                          choose_pairs(options, before, after, base, tuned)};
  write_file_atomic(options.output / "report.html", render_demo_report(report));
  write_file_atomic(options.output / "summary.json", dump_json(summary, 2) + "\n");
  if (options.common.json) return print_json(summary);
  print_summary(options, summary);
}

}  // namespace

void define_demo(CLI::App& app) {
  auto options = std::make_shared<DemoOptions>();
  add_options(app, *options);
  app.callback([options] { run(*options); });
}

}  // namespace paraclip::cli
