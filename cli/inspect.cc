// paraclip inspect: describes a checkpoint.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/text_model.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>

namespace paraclip::cli {
namespace {

std::string format_name(const ClipConfig& config) {
  if (config.family == ModelFamily::kOpenClip) return "open_clip CLIP";
  return config.vision ? "HF CLIPModel" : "HF CLIPTextModelWithProjection";
}

int64_t count_parameters(const std::vector<NamedTensor>& tensors) {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors) count += tensor.numel();
  return count;
}

void describe_image_tower(const ModelFolder& folder, Json& json) {
  const VisionConfig& config = *folder.config.vision;
  const std::vector<NamedTensor> tensors = read_vision_tensors(folder);
  json["image_size"] = config.image_size;
  json["patch_size"] = config.patch_size;
  json["image_layers"] = config.layers;
  json["image_width"] = config.width;
  json["image_heads"] = config.heads;
  json["image_mlp_width"] = config.mlp_width;
  json["image_activation"] = to_string(config.activation);
  json["image_tensors"] = tensors.size();
  json["image_parameters"] = count_parameters(tensors);
  json["image_fingerprint"] = vision_fingerprint(config, tensors);
}

Json describe(const TextModel& model) {
  const TextConfig& config = model.config().text;
  Json json = Json::object();
  json["model"] = model.folder().string();
  json["format"] = format_name(model.config());
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
  json["text_parameters"] = count_parameters(model.tower().parameters());
  json["text_fingerprint"] = model.fingerprint();
  if (model.config().vision) describe_image_tower(ModelFolder::open(model.folder()), json);
  return json;
}

}  // namespace

void define_inspect(CLI::App& app) {
  struct Options {
    CommonOptions common;
    std::filesystem::path model;
  };
  auto options = std::make_shared<Options>();
  app.add_option("model", options->model, "CLIP folder (HF or open_clip)")->required();
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
