// The program: picks a command, parses its options, turns errors into one line and an exit code.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/base/log.h"
#include "paraclip/base/signals.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdio>
#include <new>
#include <sstream>

namespace paraclip::cli {
namespace {

constexpr Command kCommands[] = {
    {"paraphrase", "turn captions into two-step paraphrases with an LLM", define_paraphrase},
    {"embed", "embed a collection of images, or texts", define_embed},
    {"train", "fine-tune a CLIP text encoder on paraphrase triples", define_train},
    {"eval", "measure retrieval and its stability under rephrasing", define_eval},
    {"data", "list what benchmarks need, and fetch it", define_data},
    {"merge", "go part of the way from a model to its fine-tune", define_merge},
    {"convert", "write a model in the form of transformers or open_clip", define_convert},
    {"tokenize", "print the token ids of lines of text", define_tokenize},
    {"inspect", "describe a checkpoint", define_inspect},
    {"demo", "run the whole method on small drawn scenes", define_demo},
};

void print_usage() {
  fmt::print(
      "paraclip {}: text-to-image search that stays stable under rephrasing\n\n"
      "Usage: paraclip COMMAND [OPTIONS]\n\nCommands:\n",
      PARACLIP_VERSION);
  for (const Command& command : kCommands)
    fmt::print("  {:<12}{}\n", command.name, command.summary);
  fmt::print("\n'paraclip COMMAND --help' lists the options of a command.\n");
}

int usage_error(const std::string& program, const std::string& message) {
  fmt::print(stderr, "{}: {}\n", program, message);
  return exit_code(ErrorKind::kUsage);
}

const Command* find_command(const std::string& name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  return names;
}

// CLI11's message, or, for an option that it does not know, one with the option that was probably
// meant. CLI11 reports what is missing before what is unknown, which may be the same word mistyped.
std::string describe(const CLI::App& app, const CLI::ParseError& error) {
  const auto unknown = [&](const std::string& what, const std::string& name,
                           const std::string& prefix) {
    const std::string meant = nearest(name, option_names(app));
    return fmt::format("unknown {} '{}{}'{}; see --help", what, prefix, name,
                       meant.empty() ? "" : fmt::format(", did you mean '{}{}'?", prefix, meant));
  };
  const std::string config_error = "INI was not able to parse ";
  const std::string message = error.what();
  if (message.starts_with(config_error)) {
    return unknown("key in the --config file:", message.substr(config_error.size()), "");
  }
  for (const std::string& extra : app.remaining()) {
    if (extra.starts_with("--")) {
      return unknown("option", extra.substr(2, extra.find('=') - 2), "--");
    }
    return fmt::format("unexpected argument '{}'; see --help", extra);
  }
  return message;
}

// Breaks lines of CLI11's help that a terminal of 80 columns would break, at blanks; the rest goes
// below the descriptions. One empty line between groups is enough.
std::string wrap_help(const std::string& help, size_t column) {
  constexpr size_t kWidth = 80;
  std::string wrapped;
  std::istringstream lines(help);
  bool blank_before = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() && blank_before) continue;
    blank_before = line.empty();
    const size_t indent = line.starts_with("  ") ? column : 0;
    while (line.size() > kWidth) {
      const size_t blank = line.rfind(' ', kWidth);
      if (blank == std::string::npos || blank <= indent) break;
      wrapped += line.substr(0, blank) + "\n";
      line = std::string(indent, ' ') + line.substr(blank + 1);
    }
    wrapped += line + "\n";
  }
  return wrapped;
}

int run(const Command& command, int argc, char** argv) {
  const std::string program = fmt::format("paraclip {}", command.name);
  CLI::App app(std::string(command.summary), program);
  constexpr size_t kDescriptionColumn = 32;
  app.get_formatter()->column_width(kDescriptionColumn);
  app.set_config("--config", "", "Read options from a TOML file; flags override it");
  app.allow_config_extras(CLI::config_extras_mode::error);
  try {
    command.define(app);
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", wrap_help(app.help(), kDescriptionColumn));
    return 0;
  } catch (const CLI::ParseError& error) {
    return usage_error(program, describe(app, error));
  } catch (const Error& error) {
    fmt::print(stderr, "{}: {}\n", program, error.what());
    return exit_code(error.kind());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "{}: out of memory\n", program);
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: internal error: {}\n", program, error.what());
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  log().sinks().push_back(sink);
  log().set_pattern("%v");
  install_stop_handler();

  const std::string name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    print_usage();
    return name.empty() ? exit_code(ErrorKind::kUsage) : 0;
  }
  if (name == "--version") {
    fmt::print("paraclip {}\n", PARACLIP_VERSION);
    return 0;
  }
  if (const Command* command = find_command(name)) return run(*command, argc - 1, argv + 1);
  std::vector<std::string> known;
  for (const Command& command : kCommands) known.emplace_back(command.name);
  const std::string meant = nearest(name, known);
  return usage_error("paraclip",
                     fmt::format("unknown command '{}'{}; see paraclip --help", name,
                                 meant.empty() ? "" : fmt::format(", did you mean '{}'?", meant)));
}

}  // namespace paraclip::cli

int main(int argc, char** argv) { return paraclip::cli::main(argc, argv); }
