#pragma once

#include "paraclip/base/json.h"

#include <cstdint>
#include <optional>
#include <string>

namespace paraclip {

/// The non-linearity of the MLPs. A checkpoint run with the wrong one gives plausible, worse
/// results: it is data.
enum class Activation {
  kQuickGelu,  ///< x * sigmoid(1.702 x): OpenAI's models.
  kGelu,       ///< x * Phi(x), exact: OpenCLIP's LAION-2B models.
};

/// Which token's output is the text's embedding (transformers, modeling_clip.py).
enum class Pooling {
  kMean,       ///< None of them: the mean over all tokens. RoBERTa's text towers in open_clip.
  kHighestId,  ///< The first position of the highest token id: configs whose eos_token_id is 2 (all
               ///< old repositories).
  kEndToken,   ///< The first position of eos_token_id; the first token where there is none.
};

/// The transformer in a text tower.
enum class TextArchitecture {
  kClip,     ///< Causal, pre-norm; Radford et al. (2021).
  kRoberta,  ///< Bidirectional, post-norm; Liu et al. (2019), as open_clip's HFTextEncoder has it.
};

/// The architecture of a CLIP text tower.
struct TextConfig {
  TextArchitecture architecture = TextArchitecture::kClip;
  int64_t vocabulary_size = 49408;
  int64_t context_length = 77;  ///< Tokens of a text, at most.
  int64_t positions = 77;       ///< Rows of the table of positions: more, in RoBERTa.
  int64_t width = 512;
  int64_t mlp_width = 2048;
  int64_t layers = 12;
  int64_t heads = 8;
  int64_t projection_dim = 512;
  double layer_norm_eps = 1e-5;
  Activation activation = Activation::kQuickGelu;
  Pooling pooling = Pooling::kEndToken;
  int64_t end_token = 49407;
  int64_t pad_token = 1;          ///< RoBERTa: positions count from the one after it.
  int64_t projection_hidden = 0;  ///< RoBERTa: the projection is an MLP of this inner width; 0:
                                  ///< linear.
  bool nested = false;            ///< In open_clip's files the tower's names begin with "text.".
  double logit_scale_init = 2.6592;
};

/// The architecture of a CLIP image tower: a vision transformer.
struct VisionConfig {
  int64_t image_size = 224;  ///< Pixels, of the square that it takes.
  int64_t patch_size = 32;
  int64_t width = 768;
  int64_t mlp_width = 3072;
  int64_t layers = 12;
  int64_t heads = 12;
  int64_t projection_dim = 512;
  double layer_norm_eps = 1e-5;
  Activation activation = Activation::kQuickGelu;

  /// Patches along a side. What is left of an image beyond them is not read.
  int64_t grid() const { return image_size / patch_size; }
  /// The class token and the patches.
  int64_t tokens() const { return 1 + grid() * grid(); }
};

/// Whose file layout, tensor names, preprocessing and text cleaning a model follows.
enum class ModelFamily {
  kHf,        ///< transformers: config.json, model.safetensors.
  kOpenClip,  ///< open_clip: open_clip_config.json, open_clip_model.safetensors.
};

/// The configuration of a CLIP model.
struct ClipConfig {
  ModelFamily family = ModelFamily::kHf;
  TextConfig text;
  std::optional<VisionConfig> vision;  ///< None for a text tower alone, or beside another tower.
  std::string other_vision;  ///< What its image tower is, where that is none that can be computed.
                             ///< Its text tower, and embeddings made elsewhere, can still be used.
  Json json;  ///< The whole file, to be written back. Null: the model cannot be written whole.

  /// Parses HF's config.json: model_type "clip" or "clip_text_model"; a missing key means the
  /// class's default; `text_config_dict` and `vision_config_dict`, when present and not null, take
  /// the place of `text_config` and `vision_config`. `where` names it in messages. Throws kData.
  static ClipConfig parse_hf(Json json, const std::string& where);

  /// Parses open_clip_config.json: CLIP's own text transformer or RoBERTa's, whose sizes the
  /// weights tell, and a ViT, or another image tower, which is only named. Whatever else
  /// open_clip's configurations can ask for is refused by its name. Throws kData.
  static ClipConfig parse_open_clip(Json json, const std::string& where);
};

/// Throws kData, naming `where`, for heads and patches that do not divide what they should.
void check_sizes(const ClipConfig& config, const std::string& where);

/// The size under `key` in a configuration, or `fallback`; it fits in an address. Throws kData.
int64_t config_size_or(const Json& json, std::string_view key, int64_t fallback,
                       const std::string& where);

/// The activation called "quick_gelu" or "gelu". Throws kData, naming `where`.
Activation parse_activation(const std::string& name, const std::string& where);

/// "quick_gelu" or "gelu"; "HF" or "open_clip"; "highest id", "end token" or
/// "mean".
std::string to_string(Activation activation);
std::string to_string(ModelFamily family);
std::string to_string(Pooling pooling);

}  // namespace paraclip
