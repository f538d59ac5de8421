#include "cli/train.h"
#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/embed/embedder.h"
#include "paraclip/eval/retrieval_benchmark.h"
#include "paraclip/train/triple_objective.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>

namespace paraclip::cli {
namespace {

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

void print_table(const TrainCommand& command, const TrainState& state, double seconds) {
  const std::string output = command.train.output.string();
  fmt::print("{} steps in {:.0f} s, {} skipped; models: {}/best (step {}), {}/last\n", state.step,
             seconds, state.skipped, output, state.best_step, output);
  if (!state.first_metrics.is_object()) return;
  fmt::print("\n{:<16}{:>10}{:>10}{:>10}\n", "", "base", "best", "last");
  for (const auto& [name, value] : state.first_metrics.items()) {
    fmt::print("{:<16}{:>10.2f}{:>10.2f}{:>10.2f}\n", name, value.get<double>(),
               state.best_metrics.value(name, 0.0), state.last_metrics.value(name, 0.0));
  }
}

}  // namespace

void run_and_report(Trainer& trainer, const TrainCommand& command, const Json& data) {
  const auto started = std::chrono::steady_clock::now();
  const TrainState state = trainer.run();
  if (command.ranks->rank() != 0) return;
  const bool stopped_early = state.step < trainer.total_steps();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (!command.common.json) {
    if (stopped_early)
      fmt::print("stopped early, after {} of {} steps\n", state.step, trainer.total_steps());
    return print_table(command, state, seconds);
  }
  Json json = Json::object();
  json["steps"] = state.step;
  json["skipped"] = state.skipped;
  json["stopped_early"] = stopped_early;
  json["seconds"] = seconds;
  json["best_step"] = state.best_step;
  json["metrics"] = {
      {"base", state.first_metrics}, {"best", state.best_metrics}, {"last", state.last_metrics}};
  json["data"] = data;
  json["best"] = (command.train.output / "best").string();
  json["last"] = (command.train.output / "last").string();
  print_json(json);
}

void train_on_triples(const CLI::App& app, TrainCommand& command) {
  const ProgressCallback progress = make_progress(command.common);
  const ModelSource source = find_model(command.model, command.common);
  TextModel model = TextModel::load(source);
  model.check_savable(command.train.text_only);
  check_image_tower(command.image_embeddings, source);
  const ImageEmbeddings images = ImageEmbeddings::load(command.image_embeddings);
  std::optional<RetrievalBenchmark> benchmark;
  if (!command.eval.captions.empty() || !command.eval.pairs.empty()) {
    command.eval.image_embeddings = command.image_embeddings;
    benchmark = RetrievalBenchmark::load(command.eval);
  } else if (!command.eval.images.empty() || !command.train.best_metric.empty() ||
             !command.train.guard_metric.empty() || command.train.patience > 0) {
    fail(ErrorKind::kUsage,
         "--eval-images, --best-metric, --guard-metric and --patience need --eval-captions or "
         "--eval-pairs beside them");
  }
  if (!command.no_token_cache && command.token_cache.empty())
    command.token_cache = default_token_cache();
  const TrainingSet set =
      TrainingSet::load(command.triples, images, model, command.max_missing, progress,
                        command.no_token_cache ? "" : command.token_cache);
  log_join(set.report());

  Evaluator evaluate;
  if (benchmark) {
    evaluate = [&](const TextModel& current) {
      const RetrievalReport report = benchmark->run(
          [&](const std::vector<std::string>& texts) { return current.encode(texts); });
      return report.to_json().at("metrics");
    };
  }
  model.tower().set_precision(command.train.precision);
  TripleObjective objective(model, set, images, command.loss, command.train.memory, command.ranks);
  Trainer trainer(objective, command.train, evaluate, progress, command.ranks);
  const Json data = join_json(set.report());
  if (command.ranks->rank() == 0) {
    make_directories(command.train.output);
    write_file_atomic(command.train.output / "data.json", dump_json(data, 2) + "\n");
    write_effective_config(app, command.train.output);
  }
  run_and_report(trainer, command, data);
}

}  // namespace paraclip::cli
