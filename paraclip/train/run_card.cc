#include "paraclip/train/run_card.h"

#include <fmt/format.h>

namespace paraclip {
namespace {

std::string cell(const Json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

CardTable training_table(Objective& objective, const TrainState& state) {
  CardTable table{"Training", {"", ""}, {}};
  table.rows.push_back({"steps", fmt::format("{}", state.step)});
  table.rows.push_back({"steps skipped (not finite)", fmt::format("{}", state.skipped)});
  table.rows.push_back({fmt::format("{} to draw from", objective.sample_name()),
                        fmt::format("{}", objective.size())});
  for (const auto& [key, value] : state.identity.items()) table.rows.push_back({key, cell(value)});
  return table;
}

CardTable metrics_table(const TrainState& state) {
  CardTable table{
      "Metrics, in percent, on the held-out data of the run", {"", "base", "last evaluation"}, {}};
  for (const auto& [name, value] : state.last_metrics.items()) {
    const Json base = state.first_metrics.value(name, Json());
    table.rows.push_back({name, base.is_number() ? fmt::format("{:.2f}", base.get<double>()) : "-",
                          fmt::format("{:.2f}", value.get<double>())});
  }
  return table;
}

}  // namespace

ModelCard card_of_run(Objective& objective, const TrainState& state, bool text_only) {
  const TextModel& model = objective.text();
  ModelCard card;
  card.title = fmt::format("{}, trained by paraclip", architecture_name(model.config()));
  const char* images =
      text_only ? "It has no image tower; that of its base is the one it belongs to."
      : objective.vision() != nullptr
          ? "Both towers were trained: embeddings of images made with the base are "
            "not valid for it."
          : "The image tower is its base's, byte for byte: every embedding of an "
            "image made with the base stays valid.";
  card.summary =
      fmt::format("Step {} of a run that began from a text tower with the fingerprint {}. {}",
                  state.step, cell(state.identity.value("base model", Json("?"))), images);
  card.config = model.config();
  card.text_only = text_only;
  card.tables.push_back(training_table(objective, state));
  if (state.last_metrics.is_object()) card.tables.push_back(metrics_table(state));
  card.tables.push_back(architecture_table(model.config(), {model.fingerprint()}));
  return card;
}

}  // namespace paraclip
