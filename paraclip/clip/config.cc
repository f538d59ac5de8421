#include "paraclip/clip/config.h"

#include "paraclip/base/error.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace paraclip {
namespace {

// Sizes beyond any CLIP, and small enough that products of two cannot overflow.
constexpr int64_t kLargestSize = int64_t{1} << 24;
constexpr int64_t kLargestGrid = 1024;

int64_t size_or(const Json& json, std::string_view key, int64_t fallback,
                const std::string& where) {
  const int64_t value = json_integer_or(json, key, fallback, where);
  if (value < 1 || value > kLargestSize) {
    fail(ErrorKind::kData, "{}: \"{}\" is {}, expected a size between 1 and {}", where, key, value,
         kLargestSize);
  }
  return value;
}

Activation parse_activation(const std::string& name, const std::string& where) {
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "gelu") return Activation::kGelu;
  fail(ErrorKind::kData, "{}: hidden_act \"{}\" is not supported, expected quick_gelu or gelu",
       where, name);
}

template <class Config>
void check_heads(const Config& config, const std::string& where) {
  if (config.width % config.heads != 0) {
    fail(ErrorKind::kData, "{}: hidden_size {} is not a multiple of num_attention_heads {}", where,
         config.width, config.heads);
  }
}

void check_patches(const VisionConfig& config, const std::string& where) {
  if (config.patch_size > config.image_size || config.grid() > kLargestGrid) {
    fail(ErrorKind::kData,
         "{}: image_size {} and patch_size {} make {} patches a side, expected 1 to {}", where,
         config.image_size, config.patch_size, config.grid(), kLargestGrid);
  }
}

// What both towers have in common, in HF's words.
template <class Config>
void parse_transformer(const Json& json, const std::string& where, Config& config) {
  config.width = size_or(json, "hidden_size", config.width, where);
  config.mlp_width = size_or(json, "intermediate_size", config.mlp_width, where);
  config.layers = size_or(json, "num_hidden_layers", config.layers, where);
  config.heads = size_or(json, "num_attention_heads", config.heads, where);
  config.layer_norm_eps = json_number_or(json, "layer_norm_eps", config.layer_norm_eps, where);
  config.activation =
      parse_activation(json_string_or(json, "hidden_act", "quick_gelu", where), where);
  check_heads(config, where);
}

TextConfig parse_text(const Json& json, int64_t projection_dim, const std::string& where) {
  TextConfig config;
  parse_transformer(json, where, config);
  config.projection_dim = projection_dim;
  config.vocabulary_size = size_or(json, "vocab_size", config.vocabulary_size, where);
  config.context_length = size_or(json, "max_position_embeddings", config.context_length, where);
  config.positions = config.context_length;
  config.end_token = json_integer_or(json, "eos_token_id", config.end_token, where);
  config.pooling = config.end_token == 2 ? Pooling::kHighestId : Pooling::kEndToken;
  return config;
}

VisionConfig parse_vision(const Json& json, int64_t projection_dim, const std::string& where) {
  VisionConfig config;
  parse_transformer(json, where, config);
  config.projection_dim = projection_dim;
  config.image_size = size_or(json, "image_size", config.image_size, where);
  config.patch_size = size_or(json, "patch_size", config.patch_size, where);
  const int64_t channels = json_integer_or(json, "num_channels", 3, where);
  if (channels != 3) {
    fail(ErrorKind::kData, "{}: num_channels is {}, expected 3", where, channels);
  }
  check_patches(config, where);
  return config;
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

// open_clip's other settings change what is computed; their defaults, written out, do not.
void refuse_others(const Json& json, std::initializer_list<std::string_view> known,
                   const std::string& where) {
  for (const auto& [key, value] : json.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const bool is_default = value.is_null() || value == false || value == 0.0 ||
                            (key == "pool_type" && (value == "argmax" || value == "tok")) ||
                            (key == "proj_type" && value == "linear") ||
                            (key == "pos_embed_type" && value == "learnable");
    if (is_default) continue;
    fail(ErrorKind::kData,
         "{}: \"{}\" is {}, which is not supported; expected a ViT with CLIP's text transformer",
         where, key, dump_json(value));
  }
}

}  // namespace

ClipConfig ClipConfig::parse_hf(Json json, const std::string& where) {
  ClipConfig config;
  const std::string type = json_string(json, "model_type", where);
  if (type == "clip") {
    const int64_t projection = size_or(json, "projection_dim", 512, where);
    config.text =
        parse_text(section(json, "text_config", where), projection, where + ", text_config");
    config.vision =
        parse_vision(section(json, "vision_config", where), projection, where + ", vision_config");
  } else if (type == "clip_text_model") {
    config.text = parse_text(json, size_or(json, "projection_dim", 512, where), where);
  } else {
    fail(ErrorKind::kData,
         "{}: model_type \"{}\" is not supported, expected \"clip\" or \"clip_text_model\"", where,
         type);
  }
  config.text.logit_scale_init =
      json_number_or(json, "logit_scale_init_value", config.text.logit_scale_init, where);
  config.json = std::move(json);
  return config;
}

ClipConfig ClipConfig::parse_open_clip(Json json, const std::string& where) {
  const auto object = [&](const Json& parent, const char* key) {
    if (!parent.is_object() || !parent.contains(key) || !parent[key].is_object()) {
      fail(ErrorKind::kData, "{}: \"{}\" is missing, expected an object", where, key);
    }
    return parent[key];
  };
  const Json model = object(json, "model_cfg");
  const Json text = object(model, "text_cfg");
  const Json vision = object(model, "vision_cfg");
  refuse_others(model, {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"},
                where + ", model_cfg");
  refuse_others(text, {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"},
                where + ", text_cfg");
  refuse_others(vision, {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"},
                where + ", vision_cfg");
  const bool quick = model.contains("quick_gelu") && model["quick_gelu"] == true;
  const int64_t projection = size_or(model, "embed_dim", 512, where);
  const auto mlp_width = [&](const Json& tower, int64_t width) {
    return static_cast<int64_t>(static_cast<double>(width) *
                                json_number_or(tower, "mlp_ratio", 4.0, where));
  };

  ClipConfig config;
  config.family = ModelFamily::kOpenClip;
  config.text.vocabulary_size = size_or(text, "vocab_size", 49408, where);
  config.text.context_length = size_or(text, "context_length", 77, where);
  config.text.positions = config.text.context_length;
  config.text.width = size_or(text, "width", 512, where);
  config.text.mlp_width = mlp_width(text, config.text.width);
  config.text.layers = size_or(text, "layers", 12, where);
  config.text.heads = size_or(text, "heads", 8, where);
  config.text.projection_dim = projection;
  config.text.activation = quick ? Activation::kQuickGelu : Activation::kGelu;
  config.text.pooling = Pooling::kHighestId;
  config.text.logit_scale_init = std::log(1 / 0.07);
  check_heads(config.text, where);

  VisionConfig image;
  image.image_size = size_or(vision, "image_size", 224, where);
  image.patch_size = size_or(vision, "patch_size", 16, where);
  image.width = size_or(vision, "width", 768, where);
  image.mlp_width = mlp_width(vision, image.width);
  image.layers = size_or(vision, "layers", 12, where);
  image.heads = std::max<int64_t>(1, image.width / size_or(vision, "head_width", 64, where));
  image.projection_dim = projection;
  image.activation = config.text.activation;
  check_heads(image, where);
  check_patches(image, where);
  config.vision = image;
  config.json = std::move(json);
  return config;
}

Json ClipConfig::text_only_json() const {
  if (!vision) return json;
  Json result = Json::object();
  result["architectures"] = {"CLIPTextModelWithProjection"};
  result["model_type"] = "clip_text_model";
  result["vocab_size"] = text.vocabulary_size;
  result["hidden_size"] = text.width;
  result["intermediate_size"] = text.mlp_width;
  result["projection_dim"] = text.projection_dim;
  result["num_hidden_layers"] = text.layers;
  result["num_attention_heads"] = text.heads;
  result["max_position_embeddings"] = text.context_length;
  result["hidden_act"] = to_string(text.activation);
  result["layer_norm_eps"] = text.layer_norm_eps;
  const Json source = section(json, "text_config", "config.json");
  for (const char* key : {"bos_token_id", "pad_token_id"}) {
    if (source.contains(key)) result[key] = source[key];
  }
  result["eos_token_id"] = text.end_token;
  return result;
}

std::string to_string(Activation activation) {
  return activation == Activation::kQuickGelu ? "quick_gelu" : "gelu";
}

std::string to_string(ModelFamily family) {
  return family == ModelFamily::kHf ? "HF" : "open_clip";
}

std::string to_string(Pooling pooling) {
  return pooling == Pooling::kHighestId ? "highest id" : "end token";
}

}  // namespace paraclip
