// paraclip inspect: describes a checkpoint.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/model_card.h"
#include "paraclip/clip/text_model.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

namespace paraclip::cli {
namespace {

std::string format_name(const ClipConfig& config) {
  if (config.family == ModelFamily::kOpenClip) {
    return config.text.nested ? "open_clip CustomTextCLIP" : "open_clip CLIP";
  }
  return config.vision ? "HF CLIPModel" : "HF CLIPTextModelWithProjection";
}

int64_t count_parameters(const std::vector<NamedTensor>& tensors) {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors) count += tensor.numel();
  return count;
}

// The types of all tensors of the file, the most frequent first: "F16 300, F32 2".
std::string describe_types(const TensorFile& file) {
  std::map<std::string, int64_t> counts;
  for (const auto& [name, entry] : file.entries()) ++counts[entry.dtype];
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [type, count] : counts) order.emplace_back(-count, type);
  std::sort(order.begin(), order.end());
  std::string text;
  for (const auto& [count, type] : order) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", type, -count);
  }
  return text;
}

void describe_files(const ModelFiles& files, Json& json) {
  const TensorFile& file = files.need_weights().file();
  json["model"] = files.path.string();
  json["architecture"] = architecture_name(files.config);
  json["format"] = format_name(files.config);
  json["configuration"] = files.config_source;
  json["weights"] = file.path().filename().string();
  json["weights_format"] = to_string(file.format());
  json["tensors"] = file.entries().size();
  json["tensor_types"] = describe_types(file);
}

void describe_text_tower(const ModelFiles& files, Json& json) {
  const TextConfig& config = files.config.text;
  const std::vector<NamedTensor> tensors = read_text_tensors(files);
  const bool roberta = config.architecture == TextArchitecture::kRoberta;
  json["text_architecture"] = roberta ? "RoBERTa" : "CLIP";
  json["layers"] = config.layers;
  json["width"] = config.width;
  json["heads"] = config.heads;
  json["mlp_width"] = config.mlp_width;
  json["projection_dim"] = config.projection_dim;
  if (roberta) json["projection_hidden"] = config.projection_hidden;
  json["context_length"] = config.context_length;
  json["vocabulary_size"] = config.vocabulary_size;
  json["tokenizer_vocabulary"] = load_tokenizer(files).vocabulary_size();
  json["activation"] = to_string(config.activation);
  json["pooling"] = to_string(config.pooling);
  json["layer_norm_eps"] = config.layer_norm_eps;
  json["logit_scale"] = std::exp(tensors.back().second.item<double>());
  json["text_tensors"] = tensors.size();
  json["text_parameters"] = count_parameters(tensors);
  json["text_fingerprint"] = text_fingerprint(config, tensors);
}

void describe_image_tower(const ModelFiles& files, Json& json) {
  if (!files.config.vision) {
    if (!files.config.other_vision.empty()) {
      json["image_tower"] = files.config.other_vision + " (not supported)";
    }
    return;
  }
  const VisionConfig& config = *files.config.vision;
  const std::vector<NamedTensor> tensors = read_vision_tensors(files);
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
  // A text search has no need of it, so that a folder may be without.
  try {
    json["preprocessing"] = read_preprocessing(files).to_json();
  } catch (const Error& error) {
    json["preprocessing"] = fmt::format("none: {}", error.what());
  }
}

Json describe(const ModelFiles& files) {
  Json json = Json::object();
  describe_files(files, json);
  describe_text_tower(files, json);
  describe_image_tower(files, json);
  return json;
}

}  // namespace

void define_inspect(CLI::App& app) {
  struct Options {
    CommonOptions common;
    ModelOption model;
  };
  auto options = std::make_shared<Options>();
  add_model_option(app, options->model, "model")->required();
  add_common_options(app, options->common);
  app.callback([options] {
    apply_common_options(options->common);
    const Json json = describe(ModelFiles::open(find_model(options->model, options->common)));
    if (options->common.json) return print_json(json);
    for (const auto& [key, value] : json.items()) {
      if (value.is_object()) {
        for (const auto& [step, setting] : value.items()) {
          fmt::print("{:<22}{}\n", fmt::format("  {}", step),
                     setting.is_string() ? setting.get<std::string>() : dump_json(setting));
        }
        continue;
      }
      fmt::print("{:<22}{}\n", key,
                 value.is_string() ? value.get<std::string>() : dump_json(value));
    }
  });
}

}  // namespace paraclip::cli
