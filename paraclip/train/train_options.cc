#include "paraclip/train/train_options.h"

#include "paraclip/base/error.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>

namespace paraclip {
namespace {

// Larger than any machine's, and no overflow.
constexpr double kLargestMemory = 1e18;

void require(bool holds, const char* option, const char* expected) {
  if (!holds) fail(ErrorKind::kUsage, "{}: expected {}", option, expected);
}

}  // namespace

int64_t default_memory() {
  int64_t available = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  // "max" where there is no limit.
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  if (int64_t bytes = 0; limit >> bytes && bytes > 0) available = std::min(available, bytes);
  return available / 2;
}

int64_t parse_memory(std::string_view text, std::string_view option) {
  static const std::map<std::string_view, double> units = {
      {"", 1},      {"B", 1},        {"KB", 1e3},     {"MB", 1e6},     {"GB", 1e9},
      {"TB", 1e12}, {"KIB", 0x1p10}, {"MIB", 0x1p20}, {"GIB", 0x1p30}, {"TIB", 0x1p40}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  unit.erase(0, unit.find_first_not_of(' '));
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  const auto found = units.find(unit);
  const double bytes = found == units.end() ? 0 : number * found->second;
  if (error != std::errc() || !(bytes >= 1 && bytes < kLargestMemory)) {
    fail(ErrorKind::kUsage, "{}: expected a size above 0 such as 4GB or 800MiB, found \"{}\"",
         option, text);
  }
  return static_cast<int64_t>(bytes);
}

void TrainOptions::validate() const {
  require(!output.empty(), "--output", "a folder");
  require(batch_size >= 2, "--batch-size", "at least 2: a contrastive loss needs negatives");
  require(epochs >= 1, "--epochs", "at least 1");
  require(learning_rate > 0, "--lr", "a number above 0");
  require(warmup >= 0, "--warmup", "0 or more steps");
  require(adamw.beta1 >= 0 && adamw.beta1 < 1, "--beta1", "a number in [0, 1)");
  require(adamw.beta2 >= 0 && adamw.beta2 < 1, "--beta2", "a number in [0, 1)");
  require(adamw.eps > 0, "--eps", "a number above 0");
  require(adamw.weight_decay >= 0, "--wd", "0 or more");
  require(grad_clip_norm >= 0, "--grad-clip-norm", "0 or more");
  require(memory >= 1, "--memory", "a size above 0");
  require(layer_decay > 0 && layer_decay <= 1, "--layer-decay", "a number in (0, 1]");
  require(lora_rank >= 0, "--lora-rank", "0 or more");
  require(lora_alpha > 0, "--lora-alpha", "a number above 0");
  require(log_every >= 1, "--log-every", "at least 1");
  require(eval_every >= 1, "--eval-every", "at least 1");
  require(save_every >= 0, "--save-every", "0 or more");
  require(keep_checkpoints >= 1, "--keep-checkpoints", "at least 1");
  require(guard_drop >= 0, "--guard-drop", "0 or more percentage points");
  require(patience >= 0, "--patience", "0 or more evaluations");
  require(max_skipped >= 1, "--max-skipped", "at least 1");
}

Json TrainOptions::trajectory() const {
  Json json = Json::object();
  json["batch-size"] = batch_size;
  json["epochs"] = epochs;
  json["lr"] = learning_rate;
  json["warmup"] = warmup;
  json["beta1"] = adamw.beta1;
  json["beta2"] = adamw.beta2;
  json["eps"] = adamw.eps;
  json["wd"] = adamw.weight_decay;
  json["grad-clip-norm"] = grad_clip_norm;
  json["freeze-temperature"] = freeze_temperature;
  json["seed"] = seed;
  json["precision"] = to_string(precision);
  json["layer-decay"] = layer_decay;
  json["lora-rank"] = lora_rank;
  json["lora-alpha"] = lora_rank > 0 ? Json(lora_alpha) : Json();
  return json;
}

}  // namespace paraclip
