// scenes: draws small scenes with captions, a data set that one can look at, from a seed.

#include "examples/scenes/dataset.h"
#include "paraclip/base/error.h"
#include "paraclip/base/signals.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <memory>

namespace paraclip::scenes {
namespace {

struct ProgramOptions {
  DatasetOptions dataset;
  bool quiet = false;
};

void add_options(CLI::App& app, ProgramOptions& options) {
  DatasetOptions& dataset = options.dataset;
  app.add_option("-o,--output", dataset.output, "Folder to make")->required();
  app.add_option("--seed", dataset.seed, "Which scenes")->capture_default_str();
  app.add_option("--count", dataset.count, "How many")->capture_default_str();
  app.add_option("--first", dataset.first, "Index of the first")->capture_default_str();
  app.add_option("--size", dataset.side, "Side of the pictures in pixels")->capture_default_str();
  app.add_option("--quality", dataset.quality, "Of the JPEGs")->capture_default_str();
  app.add_option("--captions-per-image", dataset.captions_per_image, "Captions of each picture")
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--style",
         [&dataset](const std::string& style) {
           if (style == "web") dataset.style = CaptionStyle::kWeb;
           if (style == "plain") dataset.style = CaptionStyle::kPlain;
         },
         "Captions: web, plain or mixed (default: mixed)")
      ->check(CLI::IsMember({"web", "plain", "mixed"}));
  app.add_option("--plain-share", dataset.plain_share, "Share of plain captions among mixed ones")
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--format",
         [&dataset](const std::string& format) {
           if (format == "webdataset") dataset.format = DatasetFormat::kWebDataset;
         },
         "folder or webdataset (default: folder)")
      ->check(CLI::IsMember({"folder", "webdataset"}));
  app.add_option("--shard-size", dataset.shard_size, "Scenes a tar")->capture_default_str();
  app.add_option("--corrupt-fraction", dataset.corrupt_fraction,
                 "Share of the JPEGs to damage; corrupt.txt lists them")
      ->capture_default_str();
  app.add_flag("--aro", dataset.aro, "Write relation and attribute swaps in ARO's form too");
  app.add_flag("--quiet", options.quiet, "No progress on stderr");
}

void run(const ProgramOptions& options) {
  ProgressCallback progress;
  if (!options.quiet) {
    auto printer = std::make_shared<ProgressPrinter>();
    progress = [printer](const ProgressState& state) { (*printer)(state); };
  }
  const DatasetCounts counts = write_dataset(options.dataset, progress);
  progress = nullptr;  // Ends the line in place.
  fmt::print("{} scenes, {} captions", counts.scenes, counts.captions);
  if (options.dataset.corrupt_fraction > 0) fmt::print(", {} damaged", counts.corrupt);
  if (options.dataset.aro) {
    fmt::print(", {} relation and {} attribution cases", counts.relation_cases,
               counts.attribution_cases);
  }
  fmt::print(" in {}\n", options.dataset.output.string());
}

int main(int argc, char** argv) {
  install_stop_handler();
  CLI::App app("draw small scenes with captions", "scenes");
  ProgramOptions options;
  add_options(app, options);
  try {
    app.parse(argc, argv);
    run(options);
    return 0;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "scenes: {}\n", error.what());
    return exit_code(ErrorKind::kUsage);
  } catch (const Error& error) {
    fmt::print(stderr, "scenes: {}\n", error.what());
    return exit_code(error.kind());
  } catch (const std::exception& error) {
    fmt::print(stderr, "scenes: internal error: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace paraclip::scenes

int main(int argc, char** argv) { return paraclip::scenes::main(argc, argv); }
