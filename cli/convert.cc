// paraclip convert: a model in the form of the other family.

#include "paraclip/clip/convert.h"

#include "cli/command.h"
#include "cli/common.h"

#include <fmt/format.h>

#include <memory>

namespace paraclip::cli {
namespace {

struct Options {
  CommonOptions common;
  ModelOption model;
  std::string to;
  std::filesystem::path output;
};

void run(const Options& options) {
  apply_common_options(options.common);
  const ModelFiles files = ModelFiles::open(find_model(options.model, options.common));
  const ModelFamily target = options.to == "hf" ? ModelFamily::kHf : ModelFamily::kOpenClip;
  convert_model(files, target, options.output);
  Json json = Json::object();
  json["output"] = options.output.string();
  json["family"] = to_string(target);
  Json names = Json::array();
  for (const auto& entry : std::filesystem::directory_iterator(options.output)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  json["files"] = names;
  if (options.common.json) return print_json(json);
  for (const Json& name : names) {
    const std::filesystem::path file = options.output / name.get<std::string>();
    fmt::print("{:>14}  {}\n", std::filesystem::file_size(file), file.string());
  }
}

}  // namespace

void define_convert(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_option(app, options->model)->required();
  app.add_option("--to", options->to, "hf or open_clip")
      ->check(CLI::IsMember({"hf", "open_clip"}).description(""))
      ->required();
  app.add_option("-o,--output", options->output, "Folder to make")->required();
  add_common_options(app, options->common);
  app.callback([options] { run(*options); });
}

}  // namespace paraclip::cli
