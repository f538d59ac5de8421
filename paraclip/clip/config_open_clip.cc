// Reading open_clip's configurations (open_clip 3.3, src/open_clip/model.py and hf_model.py).

#include "paraclip/base/error.h"
#include "paraclip/clip/config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <optional>

namespace paraclip {
namespace {

// open_clip's other settings change what is computed; their defaults, written out, do not. The
// first that is neither, as "key" is value.
std::optional<std::string> find_other(const Json& json,
                                      std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : json.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const bool is_default = value.is_null() || value == false || value == 0.0 ||
                            (key == "pool_type" && (value == "argmax" || value == "tok")) ||
                            (key == "proj_type" && value == "linear") ||
                            (key == "pos_embed_type" && value == "learnable");
    if (!is_default) return fmt::format("\"{}\" is {}", key, dump_json(value));
  }
  return std::nullopt;
}

Json object_of(const Json& parent, const char* key, const std::string& where) {
  if (!parent.is_object() || !parent.contains(key) || !parent[key].is_object()) {
    fail(ErrorKind::kData, "{}: \"{}\" is missing, expected an object", where, key);
  }
  return parent[key];
}

bool is_set(const Json& json, const char* key) {
  return json.contains(key) && !json[key].is_null() && json[key] != false;
}

void refuse_other_models(const Json& model, const Json& text, const std::string& where) {
  const char* name = nullptr;
  if (is_set(model, "multimodal_cfg") || is_set(text, "embed_cls")) name = "CoCa";
  if (is_set(model, "init_logit_bias")) name = "SigLIP";
  if (name == nullptr) return;
  fail(ErrorKind::kData,
       "{}: the model is {}, which is not supported; expected CLIP's text transformer or RoBERTa's",
       where, name);
}

int64_t mlp_width(const Json& tower, int64_t width, const std::string& where) {
  return static_cast<int64_t>(static_cast<double>(width) *
                              json_number_or(tower, "mlp_ratio", 4.0, where));
}

void refuse_text(const std::string& what, const std::string& where) {
  fail(ErrorKind::kData,
       "{}, text_cfg: {}, which is not supported; expected CLIP's text transformer or RoBERTa's",
       where, what);
}

void parse_clip_text(const Json& json, const std::string& where, TextConfig& text) {
  const auto other =
      find_other(json, {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"});
  if (other) refuse_text(*other, where);
  text.vocabulary_size = config_size_or(json, "vocab_size", 49408, where);
  text.positions = text.context_length;
  text.width = config_size_or(json, "width", 512, where);
  text.mlp_width = mlp_width(json, text.width, where);
  text.layers = config_size_or(json, "layers", 12, where);
  text.heads = config_size_or(json, "heads", 8, where);
  text.pooling = Pooling::kHighestId;
}

// HFTextEncoder: the name of the transformer tells everything but the projection.
void parse_roberta_text(const Json& json, const std::string& where, TextConfig& text) {
  const std::string name =
      std::filesystem::path(json_string(json, "hf_model_name", where)).filename().string();
  if (name != "roberta-base" && name != "roberta-large") {
    refuse_text(fmt::format("\"hf_model_name\" is \"{}\"", name), where);
  }
  const auto other = find_other(json, {"hf_model_name", "hf_tokenizer_name", "hf_model_pretrained",
                                       "hf_pooler_type", "hf_proj_type", "context_length",
                                       "vocab_size", "width", "heads", "layers", "mlp_ratio"});
  if (other) refuse_text(*other, where);
  const std::string pooler = json_string_or(json, "hf_pooler_type", "mean_pooler", where);
  if (pooler != "mean_pooler") {
    refuse_text(fmt::format("\"hf_pooler_type\" is \"{}\"", pooler), where);
  }
  const std::string projection = json_string_or(json, "hf_proj_type", "mlp", where);
  if (projection != "mlp" && projection != "linear") {
    refuse_text(fmt::format("\"hf_proj_type\" is \"{}\"", projection), where);
  }
  const bool large = name == "roberta-large";
  text.architecture = TextArchitecture::kRoberta;
  text.vocabulary_size = 50265;
  text.positions = 514;
  text.width = large ? 1024 : 768;
  text.mlp_width = 4 * text.width;
  text.layers = large ? 24 : 12;
  text.heads = text.width / 64;
  text.activation = Activation::kGelu;
  text.pooling = Pooling::kMean;
  text.end_token = 2;
  text.projection_hidden = projection == "mlp" ? (text.width + text.projection_dim) / 2 : 0;
  text.nested = true;
}

// What an image tower is that cannot be computed, or nothing.
std::optional<std::string> other_image_tower(const Json& json) {
  if (is_set(json, "timm_model_name") && json["timm_model_name"].is_string()) {
    const std::string name = json["timm_model_name"].get<std::string>();
    const char* kind = name.starts_with("convnext")       ? "ConvNeXt"
                       : name.starts_with("eva")          ? "EVA"
                       : name.find("siglip") != name.npos ? "SigLIP's"
                                                          : "timm's";
    return fmt::format("{} ({})", kind, name);
  }
  if (json.contains("layers") && json["layers"].is_array()) return "a ResNet";
  const auto other =
      find_other(json, {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"});
  if (other) return fmt::format("a ViT whose {}", *other);
  return std::nullopt;
}

VisionConfig parse_vit(const Json& json, const TextConfig& text, Activation activation,
                       const std::string& where) {
  VisionConfig vision;
  vision.image_size = config_size_or(json, "image_size", 224, where);
  vision.patch_size = config_size_or(json, "patch_size", 16, where);
  vision.width = config_size_or(json, "width", 768, where);
  vision.mlp_width = mlp_width(json, vision.width, where);
  vision.layers = config_size_or(json, "layers", 12, where);
  vision.heads = std::max<int64_t>(1, vision.width / config_size_or(json, "head_width", 64, where));
  vision.projection_dim = text.projection_dim;
  vision.activation = activation;
  return vision;
}

}  // namespace

ClipConfig ClipConfig::parse_open_clip(Json json, const std::string& where) {
  const Json model = object_of(json, "model_cfg", where);
  const Json text = object_of(model, "text_cfg", where);
  const Json vision = object_of(model, "vision_cfg", where);
  refuse_other_models(model, text, where);
  const auto other =
      find_other(model, {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg", "custom_text"});
  if (other) {
    fail(ErrorKind::kData,
         "{}, model_cfg: {}, which is not supported; expected a ViT with CLIP's text transformer",
         where, *other);
  }
  const Activation activation =
      is_set(model, "quick_gelu") ? Activation::kQuickGelu : Activation::kGelu;

  ClipConfig config;
  config.family = ModelFamily::kOpenClip;
  config.text.activation = activation;
  config.text.projection_dim = config_size_or(model, "embed_dim", 512, where);
  config.text.context_length = config_size_or(text, "context_length", 77, where);
  config.text.logit_scale_init = std::log(1 / 0.07);
  config.text.nested = is_set(model, "custom_text");
  if (is_set(text, "hf_model_name")) {
    parse_roberta_text(text, where, config.text);
  } else {
    parse_clip_text(text, where, config.text);
  }
  if (const auto tower = other_image_tower(vision)) {
    config.other_vision = *tower;
  } else {
    config.vision = parse_vit(vision, config.text, activation, where);
  }
  check_sizes(config, where);
  config.json = std::move(json);
  return config;
}

}  // namespace paraclip
