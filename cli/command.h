#pragma once

#include <CLI/CLI.hpp>

#include <string_view>

namespace paraclip::cli {

/// A subcommand. `define` adds its options to `app` and sets the callback that runs it.
///
/// Every command is a CLI11 application of its own, with `--config FILE` (TOML) behind its flags.
struct Command {
  std::string_view name;
  std::string_view summary;
  void (*define)(CLI::App& app);
};

void define_convert(CLI::App& app);
void define_data(CLI::App& app);
void define_demo(CLI::App& app);
void define_embed(CLI::App& app);
void define_eval(CLI::App& app);
void define_inspect(CLI::App& app);
void define_merge(CLI::App& app);
void define_paraphrase(CLI::App& app);
void define_tokenize(CLI::App& app);
void define_train(CLI::App& app);

}  // namespace paraclip::cli
