#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/config.h"
#include "paraclip/clip/packed_text.h"

#include <ATen/core/Tensor.h>

#include <span>

namespace paraclip {

/// RoBERTa as open_clip's HFTextEncoder runs it (hf_model.py over transformers' RobertaModel), on a
/// packed batch: bidirectional post-norm blocks, the mean over the tokens of each text, and a
/// projection that is linear or, with config.projection_hidden, two layers with a GELU between.
///
/// @param parameters  the tensors of text_tensor_names(config), in that order
/// @return the embeddings, not normalised: [batch, projection_dim]
at::Tensor roberta_forward(const TextConfig& config, std::span<const NamedTensor> parameters,
                           const PackedText& text);

}  // namespace paraclip
