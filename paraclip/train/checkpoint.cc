#include "paraclip/train/checkpoint.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/checkpoint.h"
#include "paraclip/io/safetensors.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "checkpoints";
constexpr const char* kTensors = "trainer.safetensors";
constexpr const char* kState = "trainer.json";
constexpr const char* kMarker = "COMPLETE";

std::string step_name(int64_t step) { return fmt::format("step-{:08}", step); }

// A whole one, not a temporary folder.
bool is_checkpoint(const fs::path& folder) {
  const std::string name = folder.filename().string();
  return name.starts_with("step-") && name.find('.') == std::string::npos &&
         fs::exists(folder / kMarker);
}

Json to_json(const TrainState& state) {
  Json json = Json::object();
  json["step"] = state.step;
  json["skipped"] = state.skipped;
  json["optimizer_steps"] = state.optimizer_steps;
  json["best_step"] = state.best_step;
  json["evaluated_step"] = state.evaluated_step;
  json["stale_evaluations"] = state.stale_evaluations;
  json["best_value"] = state.best_value ? Json(*state.best_value) : Json();
  json["first_metrics"] = state.first_metrics;
  json["best_metrics"] = state.best_metrics;
  json["last_metrics"] = state.last_metrics;
  json["threads"] = state.threads;
  json["identity"] = state.identity;
  return json;
}

TrainState from_json(const Json& json, const std::string& where) {
  TrainState state;
  state.step = json_integer(json, "step", where);
  state.skipped = json_integer(json, "skipped", where);
  state.optimizer_steps = json_integer(json, "optimizer_steps", where);
  state.best_step = json_integer(json, "best_step", where);
  state.evaluated_step = json_integer(json, "evaluated_step", where);
  state.stale_evaluations = json_integer(json, "stale_evaluations", where);
  if (json.contains("best_value") && !json["best_value"].is_null()) {
    state.best_value = json_number(json, "best_value", where);
  }
  state.first_metrics = json.value("first_metrics", Json());
  state.best_metrics = json.value("best_metrics", Json());
  state.last_metrics = json.value("last_metrics", Json());
  state.threads = static_cast<int>(json_integer(json, "threads", where));
  state.identity = json.value("identity", Json::object());
  return state;
}

void check_identity(const Json& found, const Json& expected, const fs::path& checkpoint) {
  std::vector<std::string> differences;
  for (const auto& [key, value] : expected.items()) {
    const Json before = found.is_object() && found.contains(key) ? found[key] : Json();
    if (before != value) {
      differences.push_back(
          fmt::format("{} was {} and is {}", key, dump_json(before), dump_json(value)));
    }
  }
  if (differences.empty()) return;
  fail(ErrorKind::kUsage,
       "cannot resume from {}: {}; run with what it was, or start afresh in another folder",
       checkpoint.string(), fmt::join(differences, "; "));
}

// Both in the order of the tensor name tables.
void assign(const std::vector<NamedTensor>& parameters, const std::vector<NamedTensor>& values) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters.size(); ++i) {
    at::Tensor parameter = parameters[i].second;
    parameter.copy_(values[i].second);
  }
}

}  // namespace

std::optional<fs::path> CheckpointStore::last() const {
  std::optional<fs::path> newest;
  if (!fs::is_directory(output_ / kFolder)) return newest;
  for (const auto& entry : fs::directory_iterator(output_ / kFolder)) {
    if (!is_checkpoint(entry.path())) continue;
    if (!newest || entry.path().filename() > newest->filename()) newest = entry.path();
  }
  return newest;
}

void CheckpointStore::save(const TextModel& model, const VisionTower* vision,
                           const std::vector<NamedTensor>& tensors, const TrainState& state,
                           bool text_only, const std::string& card, int64_t keep) const {
  const fs::path folder = output_ / kFolder;
  make_directories(folder);
  AtomicDirectory target(folder / step_name(state.step));
  if (text_only) {
    model.save_text_only(target.temporary());
  } else {
    model.save(target.temporary(), vision);
  }
  write_file_atomic(target.temporary() / "README.md", card);
  write_safetensors(target.temporary() / kTensors, tensors, {});
  write_file_atomic(target.temporary() / kState, dump_json(to_json(state), 2) + "\n");
  write_file_atomic(target.temporary() / kMarker, "");
  target.commit();

  const std::string last = step_name(state.step);
  const std::string best = step_name(state.best_step);
  replace_symlink(output_ / "last", fs::path(kFolder) / last);
  replace_symlink(output_ / "best", fs::path(kFolder) / best);
  std::vector<fs::path> older;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name != last && name != best) older.push_back(entry.path());
  }
  // The newest first; after them whatever a crash left.
  std::sort(older.begin(), older.end(), std::greater<>());
  std::stable_partition(older.begin(), older.end(), is_checkpoint);
  for (size_t i = 0; i < older.size(); ++i) {
    const bool kept = static_cast<int64_t>(i) + 1 < keep && is_checkpoint(older[i]);
    if (!kept) fs::remove_all(older[i]);
  }
}

TrainState CheckpointStore::resume(TextModel& model, VisionTower* vision, const Json& identity,
                                   std::vector<NamedTensor>& tensors) const {
  const auto folder = last();
  if (!folder) {
    fail(ErrorKind::kUsage, "cannot resume: {} holds no checkpoint; run without --resume",
         output_.string());
  }
  const fs::path state_file = *folder / kState;
  TrainState state = from_json(read_json(state_file), state_file.string());
  check_identity(state.identity, identity, *folder);

  const ModelFiles saved = ModelFiles::open(*folder);
  assign(model.tower().parameters(), read_text_tensors(saved));
  if (vision != nullptr) assign(vision->parameters(), read_vision_tensors(saved));
  const SafetensorsFile file = SafetensorsFile::open(*folder / kTensors);
  for (const std::string& name : file.names()) tensors.emplace_back(name, file.tensor(name));
  return state;
}

}  // namespace paraclip
