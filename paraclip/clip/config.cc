#include "paraclip/clip/config.h"

#include "paraclip/base/error.h"

#include <utility>

namespace paraclip {

int64_t config_size_or(const Json& json, std::string_view key, int64_t fallback,
                       const std::string& where) {
  // Beyond any CLIP, and small enough that the product of two cannot overflow.
  constexpr int64_t kLargest = int64_t{1} << 24;
  const int64_t value = json_integer_or(json, key, fallback, where);
  if (value < 1 || value > kLargest) {
    fail(ErrorKind::kData, "{}: \"{}\" is {}, expected a size between 1 and {}", where, key, value,
         kLargest);
  }
  return value;
}

Activation parse_activation(const std::string& name, const std::string& where) {
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "gelu") return Activation::kGelu;
  fail(ErrorKind::kData, "{}: hidden_act \"{}\" is not supported, expected quick_gelu or gelu",
       where, name);
}

namespace {

constexpr int64_t kLargestGrid = 1024;

template <class Config>
void check_heads(const Config& config, const std::string& where) {
  if (config.width % config.heads != 0) {
    fail(ErrorKind::kData, "{}: hidden_size {} is not a multiple of num_attention_heads {}", where,
         config.width, config.heads);
  }
}

// What both towers have in common, in HF's words.
template <class Config>
void parse_transformer(const Json& json, const std::string& where, Config& config) {
  config.width = config_size_or(json, "hidden_size", config.width, where);
  config.mlp_width = config_size_or(json, "intermediate_size", config.mlp_width, where);
  config.layers = config_size_or(json, "num_hidden_layers", config.layers, where);
  config.heads = config_size_or(json, "num_attention_heads", config.heads, where);
  config.layer_norm_eps = json_number_or(json, "layer_norm_eps", config.layer_norm_eps, where);
  config.activation =
      parse_activation(json_string_or(json, "hidden_act", "quick_gelu", where), where);
}

TextConfig parse_text(const Json& json, int64_t projection_dim, const std::string& where) {
  TextConfig config;
  parse_transformer(json, where, config);
  config.projection_dim = projection_dim;
  config.vocabulary_size = config_size_or(json, "vocab_size", config.vocabulary_size, where);
  config.context_length =
      config_size_or(json, "max_position_embeddings", config.context_length, where);
  config.positions = config.context_length;
  config.end_token = json_integer_or(json, "eos_token_id", config.end_token, where);
  config.pooling = config.end_token == 2 ? Pooling::kHighestId : Pooling::kEndToken;
  return config;
}

VisionConfig parse_vision(const Json& json, int64_t projection_dim, const std::string& where) {
  VisionConfig config;
  parse_transformer(json, where, config);
  config.projection_dim = projection_dim;
  config.image_size = config_size_or(json, "image_size", config.image_size, where);
  config.patch_size = config_size_or(json, "patch_size", config.patch_size, where);
  const int64_t channels = json_integer_or(json, "num_channels", 3, where);
  if (channels != 3) {
    fail(ErrorKind::kData, "{}: num_channels is {}, expected 3", where, channels);
  }
  return config;
}

// What people call a model of transformers that might be taken for a CLIP.
std::string_view name_of_type(std::string_view type) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"siglip", "SigLIP"},
      {"siglip2", "SigLIP 2"},
      {"metaclip_2", "MetaCLIP 2"},
      {"chinese_clip", "Chinese CLIP"},
      {"altclip", "AltCLIP"},
      {"clipseg", "CLIPSeg"},
      {"align", "ALIGN"},
      {"blip", "BLIP"},
      {"clip_vision_model", "an image tower alone"},
      {"vision-text-dual-encoder", "a pair of other encoders"}};
  for (const auto& [key, name] : kNames) {
    if (key == type) return name;
  }
  return "another";
}

// What HF calls `name`_dict takes the place of `name` where it is there.
Json section(const Json& json, const std::string& name, const std::string& where) {
  const std::string dict = name + "_dict";
  const bool replaced = json.contains(dict) && !json[dict].is_null();
  const std::string key = replaced ? dict : name;
  Json result = json.contains(key) && !json[key].is_null() ? json[key] : Json::object();
  if (!result.is_object()) fail(ErrorKind::kData, "{}, {}: expected a JSON object", where, key);
  return result;
}

}  // namespace

ClipConfig ClipConfig::parse_hf(Json json, const std::string& where) {
  ClipConfig config;
  const std::string type = json_string(json, "model_type", where);
  if (type == "clip") {
    const int64_t projection = config_size_or(json, "projection_dim", 512, where);
    config.text =
        parse_text(section(json, "text_config", where), projection, where + ", text_config");
    config.vision =
        parse_vision(section(json, "vision_config", where), projection, where + ", vision_config");
  } else if (type == "clip_text_model") {
    config.text = parse_text(json, config_size_or(json, "projection_dim", 512, where), where);
  } else {
    fail(ErrorKind::kData,
         "{}: the model is {} (model_type \"{}\"), which is not supported; expected \"clip\" or "
         "\"clip_text_model\"",
         where, name_of_type(type), type);
  }
  config.text.logit_scale_init =
      json_number_or(json, "logit_scale_init_value", config.text.logit_scale_init, where);
  check_sizes(config, where);
  config.json = std::move(json);
  return config;
}

void check_sizes(const ClipConfig& config, const std::string& where) {
  check_heads(config.text, where);
  if (!config.vision) return;
  check_heads(*config.vision, where);
  const VisionConfig& vision = *config.vision;
  if (vision.patch_size > vision.image_size || vision.grid() > kLargestGrid) {
    fail(ErrorKind::kData,
         "{}: image_size {} and patch_size {} make {} patches a side, expected 1 to {}", where,
         vision.image_size, vision.patch_size, vision.grid(), kLargestGrid);
  }
}

std::string to_string(Activation activation) {
  return activation == Activation::kQuickGelu ? "quick_gelu" : "gelu";
}

std::string to_string(ModelFamily family) {
  return family == ModelFamily::kHf ? "HF" : "open_clip";
}

std::string to_string(Pooling pooling) {
  if (pooling == Pooling::kMean) return "mean";
  return pooling == Pooling::kHighestId ? "highest id" : "end token";
}

}  // namespace paraclip
