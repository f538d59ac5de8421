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

namespace paraclip::cli {
namespace {

constexpr Command kCommands[] = {
    {"paraphrase", "turn captions into two-step paraphrases with an LLM", define_paraphrase},
    {"train", "fine-tune a CLIP text encoder on paraphrase triples", define_train},
    {"eval", "measure retrieval and its stability under rephrasing", define_eval},
    {"tokenize", "print the token ids of lines of text", define_tokenize},
    {"inspect", "describe a checkpoint", define_inspect},
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

// CLI11's message for what it could not place, with the option that was probably meant.
std::string describe(const CLI::App& app, const CLI::ParseError& error) {
  std::string message = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr) return message;
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  for (const std::string& extra : app.remaining()) {
    const std::string name = extra.substr(0, extra.find('='));
    if (name.rfind("-", 0) != 0) return fmt::format("unexpected argument '{}'; see --help", extra);
    const std::string meant = nearest(name, known);
    return fmt::format("unknown option '{}'{}; see --help", name,
                       meant.empty() ? "" : fmt::format(", did you mean '{}'?", meant));
  }
  return message;
}

int run(const Command& command, int argc, char** argv) {
  const std::string program = fmt::format("paraclip {}", command.name);
  CLI::App app(std::string(command.summary), program);
  app.get_formatter()->column_width(34);
  app.set_config("--config", "", "Read options from a TOML file; flags override it");
  app.allow_config_extras(CLI::config_extras_mode::error);
  try {
    command.define(app);
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
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
