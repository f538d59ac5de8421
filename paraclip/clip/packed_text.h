#pragma once

#include "paraclip/clip/config.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace paraclip {

/// A batch of texts as one sequence of rows without padding.
///
/// A CLIP text encoder is causal and reads its result at one token, so tokens after that one cannot
/// change it: they are left out. And what it computes at a token depends on the tokens before it
/// alone, so where texts begin with the same tokens, these are computed once: the rows are a
/// forest of prefixes in the order of a depth-first walk. RoBERTa reads its result at all tokens,
/// and each sees all of its text: texts stand one after the other, without their padding tokens.
struct PackedText {
  at::Tensor ids;        ///< [rows] int64
  at::Tensor positions;  ///< [rows] int64: 0, 1, ... within each text; in RoBERTa from the one
                         ///< after the padding token's id
  std::vector<int32_t> depths;  ///< [rows]: each row's place in its text. Its predecessors are the
                                ///< latest rows before it of every smaller depth.
  std::vector<int64_t> ends;    ///< The rows at which texts end, each once, in ascending order.
  std::vector<int64_t> end_of;  ///< [batch]: which of `ends` is a text's last row.
  int64_t max_length = 0;
  int64_t tokens = 0;  ///< Of all texts, shared ones counted for each.

  int64_t batch() const { return static_cast<int64_t>(end_of.size()); }
  int64_t rows() const { return static_cast<int64_t>(depths.size()); }
};

/// The number of leading tokens of a text that its embedding can depend on: up to the pooled one,
/// or all where the mean over them is pooled.
size_t pooled_length(std::span<const int64_t> ids, const TextConfig& config);

/// Packs texts (each with its start and end token, at most config.context_length of them). The
/// result depends on the texts and their order alone.
///
/// Throws kData for a list without a token that counts, one that is too long, or an id outside the
/// vocabulary.
PackedText pack(std::span<const std::vector<int64_t>> texts, const TextConfig& config);

}  // namespace paraclip
