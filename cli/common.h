#pragma once

#include "paraclip/base/json.h"
#include "paraclip/base/progress.h"
#include "paraclip/clip/model_files.h"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <string>

namespace paraclip::cli {

/// What every command can be told.
struct CommonOptions {
  bool json = false;   ///< Print one JSON object on stdout.
  bool quiet = false;  ///< Neither progress nor informational log lines on stderr.
  int threads = 0;     ///< Compute threads; 0 means one for each core.
};

/// Adds --json, --quiet and --threads.
void add_common_options(CLI::App& app, CommonOptions& options);

/// Applies --quiet and --threads. Call first in a command's callback.
void apply_common_options(const CommonOptions& options);

/// How a command is told of a model.
struct ModelOption {
  std::string name;        ///< A folder, a file of weights, or hf:ORG/NAME[@REVISION].
  std::string activation;  ///< quick_gelu or gelu, for weights without a configuration.

  bool empty() const { return name.empty(); }
};

/// Adds --model (or what `flag` says) and --activation.
CLI::Option* add_model_option(CLI::App& app, ModelOption& option,
                              const std::string& flag = "--model");

/// What the model is to be loaded from; a model of the hub is fetched first. Throws as
/// fetch_model() does.
ModelSource find_model(const ModelOption& option, const CommonOptions& common);

/// Progress on stderr, or nothing with --quiet. The callback owns the printer.
ProgressCallback make_progress(const CommonOptions& options);

/// Writes the options in force, defaults included, to `folder`/config.toml: `--config` on that file
/// repeats the run.
void write_effective_config(const CLI::App& app, const std::filesystem::path& folder);

/// Prints one JSON object and a newline on stdout.
void print_json(const Json& object);

/// The word of `known` nearest to `word` by edit distance, or an empty string if none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& known);

}  // namespace paraclip::cli
