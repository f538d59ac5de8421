#pragma once

#include "paraclip/base/json.h"

#include <cstdint>
#include <filesystem>
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
  kHighestId,  ///< The first position of the highest token id: configs whose eos_token_id is 2 (all
               ///< old repositories).
  kEndToken,   ///< The first position of eos_token_id; the first token where there is none.
};

/// The architecture of a CLIP text tower.
struct TextConfig {
  int64_t vocabulary_size = 49408;
  int64_t context_length = 77;
  int64_t width = 512;
  int64_t mlp_width = 2048;
  int64_t layers = 12;
  int64_t heads = 8;
  int64_t projection_dim = 512;
  double layer_norm_eps = 1e-5;
  Activation activation = Activation::kQuickGelu;
  Pooling pooling = Pooling::kEndToken;
  int64_t end_token = 49407;
  double logit_scale_init = 2.6592;
};

/// The config.json of an HF CLIP folder, as far as text is concerned.
struct ClipConfig {
  TextConfig text;
  bool has_vision = false;  ///< A CLIPModel (both towers), not a CLIPTextModelWithProjection.
  Json json;                ///< The whole file, to be written back.

  /// Reads HF's config.json: model_type "clip" or "clip_text_model"; a missing key means the
  /// class's default; `text_config_dict`, when present and not null, takes the place of
  /// `text_config`. Throws kIo, kData.
  static ClipConfig read(const std::filesystem::path& file);

  /// As read(), from parsed JSON; `where` names it in messages. Throws kData.
  static ClipConfig parse(Json json, const std::string& where);

  /// The config.json of the text tower alone, for CLIPTextModelWithProjection.
  Json text_only_json() const;
};

/// "quick_gelu" or "gelu"; "highest id" or "end token".
std::string to_string(Activation activation);
std::string to_string(Pooling pooling);

}  // namespace paraclip
