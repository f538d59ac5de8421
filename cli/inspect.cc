// paraclip inspect: describes a checkpoint.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/clip/text_model.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>

namespace paraclip::cli {
namespace {

Json describe(const TextModel& model) {
  const TextConfig& config = model.config().text;
  int64_t parameters = 0;
  for (const auto& [name, tensor] : model.tower().parameters()) parameters += tensor.numel();
  Json json = Json::object();
  json["model"] = model.folder().string();
  json["format"] = model.config().vision ? "HF CLIPModel" : "HF CLIPTextModelWithProjection";
  json["layers"] = config.layers;
  json["width"] = config.width;
  json["heads"] = config.heads;
  json["mlp_width"] = config.mlp_width;
  json["projection_dim"] = config.projection_dim;
  json["context_length"] = config.context_length;
  json["vocabulary_size"] = config.vocabulary_size;
  json["tokenizer_vocabulary"] = model.tokenizer().vocabulary_size();
  json["activation"] = to_string(config.activation);
  json["pooling"] = to_string(config.pooling);
  json["layer_norm_eps"] = config.layer_norm_eps;
  json["logit_scale"] = std::exp(model.tower().logit_scale().item<double>());
  json["text_tensors"] = model.tower().parameters().size();
  json["text_parameters"] = parameters;
  json["text_fingerprint"] = model.fingerprint();
  return json;
}

}  // namespace

void define_inspect(CLI::App& app) {
  struct Options {
    CommonOptions common;
    std::filesystem::path model;
  };
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "HF CLIP folder")->required();
  add_common_options(app, options->common);
  app.callback([options] {
    apply_common_options(options->common);
    const Json json = describe(TextModel::load(options->model));
    if (options->common.json) return print_json(json);
    for (const auto& [key, value] : json.items()) {
      fmt::print("{:<22}{}\n", key,
                 value.is_string() ? value.get<std::string>() : dump_json(value));
    }
  });
}

}  // namespace paraclip::cli
