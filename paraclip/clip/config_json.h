#pragma once

#include "paraclip/clip/config.h"
#include "paraclip/image/preprocess.h"

#include <cstdint>

namespace paraclip {

/// The tokens that HF's configurations name.
struct SpecialTokens {
  int64_t start = 49406;
  int64_t end = 49407;
};

/// HF's config.json for the whole of a model whose towers are supported. Throws kUsage for a text
/// tower that transformers' CLIPModel cannot be (RoBERTa's).
Json hf_config_json(const ClipConfig& config, const SpecialTokens& tokens);

/// HF's config.json for its text tower alone, a CLIPTextModelWithProjection. Throws likewise.
Json hf_text_config_json(const ClipConfig& config, const SpecialTokens& tokens);

/// An open_clip_config.json. Throws kUsage for what open_clip cannot be told: other epsilons of
/// layer norms, towers of different activations, an end token that is not the highest id.
Json open_clip_config_json(const ClipConfig& config, const SpecialTokens& tokens,
                           const Preprocessing& preprocessing);

}  // namespace paraclip
