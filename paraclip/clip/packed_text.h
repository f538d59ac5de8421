#pragma once

#include "paraclip/clip/config.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace paraclip {

/// A batch of texts as one sequence without padding.
///
/// A CLIP text encoder is causal and reads its result at one token, so tokens after that one cannot
/// change it: they are left out, and the last token of each text is the one that is pooled. RoBERTa
/// reads its result at all tokens, but none of them sees padding tokens, which are left out too.
struct PackedText {
  at::Tensor ids;        ///< [tokens] int64
  at::Tensor positions;  ///< [tokens] int64: 0, 1, ... within each text; in RoBERTa from the one
                         ///< after the padding token's id
  at::Tensor offsets;    ///< [batch + 1] int64: text b is the tokens [offsets[b], offsets[b + 1])
  int64_t max_length = 0;

  int64_t batch() const { return offsets.numel() - 1; }
  int64_t tokens() const { return ids.numel(); }
  /// [batch] int64: the rows of the pooled tokens.
  at::Tensor last_rows() const;
};

/// The number of leading tokens of a text that its embedding can depend on: up to the pooled one,
/// or all where the mean over them is pooled.
size_t pooled_length(std::span<const int64_t> ids, const TextConfig& config);

/// Packs texts (each with its start and end token, at most config.context_length of them).
///
/// Throws kData for a list without a token that counts, one that is too long, or an id outside the
/// vocabulary.
PackedText pack(std::span<const std::vector<int64_t>> texts, const TextConfig& config);

}  // namespace paraclip
