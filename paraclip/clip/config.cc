#include "paraclip/clip/config.h"

#include "paraclip/base/error.h"

namespace paraclip {
namespace {

// Sizes beyond any CLIP, and small enough that products of two cannot overflow.
constexpr int64_t kLargestSize = int64_t{1} << 24;

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

TextConfig parse_text(const Json& json, int64_t projection_dim, const std::string& where) {
  TextConfig config;
  config.vocabulary_size = size_or(json, "vocab_size", config.vocabulary_size, where);
  config.context_length = size_or(json, "max_position_embeddings", config.context_length, where);
  config.width = size_or(json, "hidden_size", config.width, where);
  config.mlp_width = size_or(json, "intermediate_size", config.mlp_width, where);
  config.layers = size_or(json, "num_hidden_layers", config.layers, where);
  config.heads = size_or(json, "num_attention_heads", config.heads, where);
  config.projection_dim = projection_dim;
  config.layer_norm_eps = json_number_or(json, "layer_norm_eps", config.layer_norm_eps, where);
  config.activation =
      parse_activation(json_string_or(json, "hidden_act", "quick_gelu", where), where);
  config.end_token = json_integer_or(json, "eos_token_id", config.end_token, where);
  config.pooling = config.end_token == 2 ? Pooling::kHighestId : Pooling::kEndToken;
  if (config.width % config.heads != 0) {
    fail(ErrorKind::kData, "{}: hidden_size {} is not a multiple of num_attention_heads {}", where,
         config.width, config.heads);
  }
  return config;
}

}  // namespace

ClipConfig ClipConfig::read(const std::filesystem::path& file) {
  return parse(read_json(file), file.string());
}

ClipConfig ClipConfig::parse(Json json, const std::string& where) {
  ClipConfig config;
  const std::string type = json_string(json, "model_type", where);
  if (type == "clip") {
    config.has_vision = true;
    const bool replaced = json.contains("text_config_dict") && !json["text_config_dict"].is_null();
    const char* key = replaced ? "text_config_dict" : "text_config";
    const Json text = json.contains(key) && !json[key].is_null() ? json[key] : Json::object();
    const std::string text_where = where + ", " + key;
    if (!text.is_object()) fail(ErrorKind::kData, "{}: expected a JSON object", text_where);
    config.text = parse_text(text, size_or(json, "projection_dim", 512, where), text_where);
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

Json ClipConfig::text_only_json() const {
  if (!has_vision) return json;
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
  const Json& source = json.contains("text_config_dict") && !json["text_config_dict"].is_null()
                           ? json["text_config_dict"]
                           : json.value("text_config", Json::object());
  for (const char* key : {"bos_token_id", "pad_token_id"}) {
    if (source.contains(key)) result[key] = source[key];
  }
  result["eos_token_id"] = text.end_token;
  return result;
}

std::string to_string(Activation activation) {
  return activation == Activation::kQuickGelu ? "quick_gelu" : "gelu";
}

std::string to_string(Pooling pooling) {
  return pooling == Pooling::kHighestId ? "highest id" : "end token";
}

}  // namespace paraclip
