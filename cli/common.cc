#include "cli/common.h"

#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/io/hub.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <thread>

namespace paraclip::cli {

void add_common_options(CLI::App& app, CommonOptions& options) {
  app.add_flag("--json", options.json, "Print one JSON object on stdout")->configurable(false);
  app.add_flag("-q,--quiet", options.quiet, "No progress and no log lines")->configurable(false);
  app.add_option("--threads", options.threads, "Compute threads; 0: one for each core")
      ->check(CLI::Range(0, 1024).description(""))
      ->capture_default_str();
}

void apply_common_options(const CommonOptions& options) {
  log().set_level(options.quiet ? spdlog::level::warn : spdlog::level::info);
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  at::set_num_threads(options.threads > 0 ? options.threads : cores);
}

CLI::Option* add_model_option(CLI::App& app, ModelOption& option, const std::string& flag) {
  app.add_option("--activation", option.activation, "quick_gelu or gelu, where no config says it")
      ->check(CLI::IsMember({"", "quick_gelu", "gelu"}).description(""));
  return app.add_option(flag, option.name, "Folder, weights, or hf:ORG/NAME[@REV]");
}

ModelSource find_model(const ModelOption& option, const CommonOptions& common) {
  std::optional<Activation> activation;
  if (!option.activation.empty()) {
    activation = parse_activation(option.activation, "--activation");
  }
  const std::optional<HubModel> hub = HubModel::parse(option.name);
  if (!hub) return {option.name, activation};
  return {fetch_model(*hub, HubOptions::from_environment(), make_progress(common)), activation};
}

ProgressCallback make_progress(const CommonOptions& options) {
  if (options.quiet) return {};
  auto printer = std::make_shared<ProgressPrinter>();
  return [printer](const ProgressState& state) { (*printer)(state); };
}

void write_effective_config(const CLI::App& app, const std::filesystem::path& folder) {
  write_file_atomic(folder / "config.toml",
                    app.config_to_str(/*default_also=*/true, /*write_description=*/false));
}

void print_json(const Json& object) { fmt::print("{}\n", dump_json(object, 2)); }

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const size_t substitution = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace paraclip::cli
