#include "paraclip/clip/config_json.h"

#include "paraclip/base/error.h"

namespace paraclip {
namespace {

template <class Config>
Json hf_transformer(const Config& config) {
  Json json = Json::object();
  json["hidden_size"] = config.width;
  json["intermediate_size"] = config.mlp_width;
  json["num_hidden_layers"] = config.layers;
  json["num_attention_heads"] = config.heads;
  json["hidden_act"] = to_string(config.activation);
  json["layer_norm_eps"] = config.layer_norm_eps;
  json["projection_dim"] = config.projection_dim;
  return json;
}

Json hf_text(const TextConfig& config, const SpecialTokens& tokens) {
  if (config.architecture != TextArchitecture::kClip) {
    fail(ErrorKind::kUsage,
         "a model with RoBERTa's text tower has no form that transformers' CLIPModel loads; "
         "expected CLIP's own. Keep it as open_clip's");
  }
  Json json = hf_transformer(config);
  json["model_type"] = "clip_text_model";
  json["vocab_size"] = config.vocabulary_size;
  json["max_position_embeddings"] = config.context_length;
  json["bos_token_id"] = tokens.start;
  json["eos_token_id"] = tokens.end;
  json["pad_token_id"] = tokens.end;
  return json;
}

// What int(width * ratio) in open_clip gives back.
double mlp_ratio(int64_t mlp_width, int64_t width) {
  double ratio = static_cast<double>(mlp_width) / static_cast<double>(width);
  while (static_cast<int64_t>(ratio * static_cast<double>(width)) < mlp_width) {
    ratio = std::nextafter(ratio, 1e9);
  }
  return ratio;
}

template <class Config>
Json open_clip_transformer(const Config& config) {
  constexpr double kEps = 1e-5;
  if (config.layer_norm_eps != kEps) {
    fail(ErrorKind::kUsage,
         "the layer norms' epsilon is {}, but open_clip's is {} and cannot be told otherwise",
         config.layer_norm_eps, kEps);
  }
  Json json = Json::object();
  json["layers"] = config.layers;
  json["width"] = config.width;
  if (config.mlp_width != 4 * config.width) {
    json["mlp_ratio"] = mlp_ratio(config.mlp_width, config.width);
  }
  return json;
}

Json open_clip_text(const TextConfig& config, const SpecialTokens& tokens) {
  if (config.architecture == TextArchitecture::kRoberta) {
    const char* name = config.width == 1024 ? "roberta-large" : "roberta-base";
    return {{"hf_model_name", name},
            {"hf_tokenizer_name", name},
            {"hf_pooler_type", "mean_pooler"},
            {"hf_proj_type", config.projection_hidden > 0 ? "mlp" : "linear"},
            {"context_length", config.context_length}};
  }
  if (config.pooling == Pooling::kEndToken &&
      (config.end_token != tokens.end || tokens.start > tokens.end)) {
    fail(ErrorKind::kUsage,
         "the text is pooled at token {}, but open_clip pools at the highest id, which is {}",
         config.end_token, std::max(tokens.start, tokens.end));
  }
  Json json = open_clip_transformer(config);
  json["context_length"] = config.context_length;
  json["vocab_size"] = config.vocabulary_size;
  json["heads"] = config.heads;
  return json;
}

Json open_clip_vision(const VisionConfig& config) {
  constexpr int64_t kHeadWidth = 64;
  Json json = open_clip_transformer(config);
  json["image_size"] = config.image_size;
  json["patch_size"] = config.patch_size;
  if (config.width != kHeadWidth * config.heads) json["head_width"] = config.width / config.heads;
  return json;
}

}  // namespace

Json hf_text_config_json(const ClipConfig& config, const SpecialTokens& tokens) {
  Json json = hf_text(config.text, tokens);
  json["architectures"] = {"CLIPTextModelWithProjection"};
  return json;
}

Json hf_config_json(const ClipConfig& config, const SpecialTokens& tokens) {
  Json json = Json::object();
  json["architectures"] = {"CLIPModel"};
  json["model_type"] = "clip";
  json["projection_dim"] = config.text.projection_dim;
  json["logit_scale_init_value"] = config.text.logit_scale_init;
  json["text_config"] = hf_text(config.text, tokens);
  json["vision_config"] = hf_transformer(*config.vision);
  json["vision_config"]["model_type"] = "clip_vision_model";
  json["vision_config"]["image_size"] = config.vision->image_size;
  json["vision_config"]["patch_size"] = config.vision->patch_size;
  return json;
}

Json open_clip_config_json(const ClipConfig& config, const SpecialTokens& tokens,
                           const Preprocessing& preprocessing) {
  const bool clip = config.text.architecture == TextArchitecture::kClip;
  if (clip && config.text.activation != config.vision->activation) {
    fail(ErrorKind::kUsage,
         "the text tower's activation is {} and the image tower's {}, but open_clip has one for "
         "both",
         to_string(config.text.activation), to_string(config.vision->activation));
  }
  Json model = Json::object();
  model["embed_dim"] = config.text.projection_dim;
  if (config.vision->activation == Activation::kQuickGelu) model["quick_gelu"] = true;
  if (config.text.nested) model["custom_text"] = true;
  model["vision_cfg"] = open_clip_vision(*config.vision);
  model["text_cfg"] = open_clip_text(config.text, tokens);
  return {{"model_cfg", model}, {"preprocess_cfg", preprocessing.to_open_clip()}};
}

}  // namespace paraclip
