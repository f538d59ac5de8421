// paraclip train: fine-tunes a CLIP text encoder on paraphrase triples.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/eval/retrieval_benchmark.h"
#include "paraclip/train/trainer.h"

#include <fmt/ranges.h>

#include <memory>
#include <optional>

namespace paraclip::cli {
namespace {

struct Options {
  CommonOptions common;
  TrainOptions train;
  RetrievalOptions eval;
  std::filesystem::path model, triples, image_embeddings;
  double max_missing = 0.0;
  std::vector<double> loss_weights = {1.0, 1.0, 1.0};
};

void add_options(CLI::App& app, Options& options) {
  TrainOptions& train = options.train;
  app.add_option("--model", options.model, "HF CLIP folder to start from")->required();
  app.add_option("--triples", options.triples, "Triples JSONL, as 'paraphrase' writes them")
      ->required();
  app.add_option("--image-embeddings", options.image_embeddings,
                 "Folder with img_emb/img_emb_*.npy and ids.txt")
      ->required();
  app.add_option("-o,--output", train.output, "Folder for checkpoints and metrics")->required();
  app.add_flag("--resume", train.resume, "Go on from the output's last checkpoint")
      ->configurable(false);
  app.add_option("--max-missing", options.max_missing,
                 "Share of triples that may name unknown images")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();

  const std::string optimisation = "Optimisation";
  const auto add = [&](const std::string& name, auto& value, const std::string& text) {
    return app.add_option(name, value, text)->capture_default_str()->group(optimisation);
  };
  add("--batch-size", train.batch_size, "Triples a step");
  add("--epochs", train.epochs, "Passes over the triples");
  add("--lr", train.learning_rate, "Highest learning rate");
  add("--warmup", train.warmup, "Steps of linear warm-up, then cosine");
  add("--wd", train.adamw.weight_decay, "Weight decay, not on 1-D tensors");
  add("--beta1", train.adamw.beta1, "AdamW");
  add("--beta2", train.adamw.beta2, "AdamW");
  add("--eps", train.adamw.eps, "AdamW");
  add("--grad-clip-norm", train.grad_clip_norm, "Largest gradient norm; 0: any");
  add("--seed", train.seed, "Of the order of samples");
  add("--max-skipped", train.max_skipped, "Non-finite steps in a row before giving up");
  app.add_option("--loss-weights", options.loss_weights, "Of (image,T'') (T,T') (T',T'')")
      ->expected(3)
      ->delimiter(',')
      ->default_str("1,1,1")
      ->group(optimisation);
  const std::map<std::string, LossDirection> directions = {{"symmetric", LossDirection::kSymmetric},
                                                           {"forward", LossDirection::kForward},
                                                           {"backward", LossDirection::kBackward}};
  app.add_option("--loss-direction", train.loss.direction, "symmetric, forward or backward")
      ->transform(CLI::CheckedTransformer(directions, CLI::ignore_case).description(""))
      ->default_str("symmetric")
      ->group(optimisation);
  app.add_flag("--mask-identical", train.loss.mask_identical,
               "Equal texts or images are no negatives")
      ->group(optimisation);
  app.add_flag("--freeze-temperature", train.freeze_temperature, "Keep the base's logit scale")
      ->group(optimisation);

  const std::string evaluation = "Evaluation and checkpoints";
  app.add_option("--eval-captions", options.eval.captions, "TSV: image_id, caption")
      ->group(evaluation);
  app.add_option("--eval-pairs", options.eval.pairs, "TSV: query, paraphrase, image_id")
      ->group(evaluation);
  app.add_option("--eval-images", options.eval.images, "Image ids of the pool, one a line")
      ->group(evaluation);
  app.add_option("--eval-every", train.eval_every, "Steps between evaluations")
      ->capture_default_str()
      ->group(evaluation);
  app.add_option("--best-metric", train.best_metric, "Chooses 'best'; default: ao@10")
      ->group(evaluation);
  app.add_option("--save-every", train.save_every, "Steps between further checkpoints")
      ->capture_default_str()
      ->group(evaluation);
  app.add_option("--log-every", train.log_every, "Steps between lines of metrics")
      ->capture_default_str()
      ->group(evaluation);
  app.add_flag("--text-only", train.text_only, "Save no image tower")->group(evaluation);
  add_common_options(app, options.common);
}

Json join_json(const JoinReport& report) {
  Json json = Json::object();
  json["read"] = report.read;
  json["kept"] = report.kept;
  json["incomplete"] = report.incomplete;
  json["missing"] = report.missing;
  json["missing_ids"] = report.missing_ids;
  json["truncated_texts"] = report.truncated;
  return json;
}

void log_join(const JoinReport& report) {
  log().info("{} triples: {} kept, {} of unknown images, {} incomplete, {} texts truncated",
             report.read, report.kept, report.missing, report.incomplete, report.truncated);
  constexpr size_t kListed = 10;
  for (size_t i = 0; i < std::min(kListed, report.missing_ids.size()); ++i) {
    log().warn("unknown image id: {}", report.missing_ids[i]);
  }
  if (report.missing_ids.size() > kListed) {
    log().warn("and {} more unknown ids; all are in data.json",
               report.missing_ids.size() - kListed);
  }
}

void print_table(const Options& options, const TrainState& state, double seconds) {
  fmt::print("{} steps in {:.0f} s, {} skipped; models: {}/best (step {}), {}/last\n", state.step,
             seconds, state.skipped, options.train.output.string(), state.best_step,
             options.train.output.string());
  if (!state.first_metrics.is_object()) return;
  fmt::print("\n{:<16}{:>10}{:>10}{:>10}\n", "", "base", "best", "last");
  for (const auto& [name, value] : state.first_metrics.items()) {
    fmt::print("{:<16}{:>10.2f}{:>10.2f}{:>10.2f}\n", name, value.get<double>(),
               state.best_metrics.value(name, 0.0), state.last_metrics.value(name, 0.0));
  }
}

void run(const CLI::App& app, Options& options) {
  apply_common_options(options.common);
  options.train.loss.image_weight = options.loss_weights[0];
  options.train.loss.caption_weight = options.loss_weights[1];
  options.train.loss.paraphrase_weight = options.loss_weights[2];
  options.train.validate();
  const ProgressCallback progress = make_progress(options.common);

  TextModel model = TextModel::load(options.model);
  const ImageEmbeddings images = ImageEmbeddings::load(options.image_embeddings);
  std::optional<RetrievalBenchmark> benchmark;
  if (!options.eval.captions.empty() || !options.eval.pairs.empty()) {
    options.eval.image_embeddings = options.image_embeddings;
    benchmark = RetrievalBenchmark::load(options.eval);
  } else if (!options.eval.images.empty() || !options.train.best_metric.empty()) {
    fail(ErrorKind::kUsage,
         "--eval-images and --best-metric need --eval-captions or --eval-pairs beside them");
  }
  const TrainingSet set =
      TrainingSet::load(options.triples, images, model, options.max_missing, progress);
  log_join(set.report());

  Evaluator evaluate;
  if (benchmark) {
    evaluate = [&](const TextModel& current) {
      const RetrievalReport report = benchmark->run(
          [&](const std::vector<std::string>& texts) { return current.encode(texts); });
      return report.to_json().at("metrics");
    };
  }
  Trainer trainer(model, set, images, options.train, evaluate, progress);
  make_directories(options.train.output);
  write_file_atomic(options.train.output / "data.json",
                    dump_json(join_json(set.report()), 2) + "\n");
  write_effective_config(app, options.train.output);

  const auto started = std::chrono::steady_clock::now();
  const TrainState state = trainer.run();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (!options.common.json) return print_table(options, state, seconds);
  Json json = Json::object();
  json["steps"] = state.step;
  json["skipped"] = state.skipped;
  json["seconds"] = seconds;
  json["best_step"] = state.best_step;
  json["metrics"] = {
      {"base", state.first_metrics}, {"best", state.best_metrics}, {"last", state.last_metrics}};
  json["data"] = join_json(set.report());
  json["best"] = (options.train.output / "best").string();
  json["last"] = (options.train.output / "last").string();
  print_json(json);
}

}  // namespace

void define_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_options(app, *options);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace paraclip::cli
