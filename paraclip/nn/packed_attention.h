#pragma once

#include "paraclip/nn/kernels/kernels.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace paraclip {

/// Multi-head self-attention within each sequence of a packed batch, with gradients by autograd.
///
/// Softmax(q k^T / sqrt(head width)) v, for every head of every sequence alone; with `causal`, a
/// token sees itself and the tokens before it. No padding takes part, so the cost is the sum of the
/// squared lengths.
///
/// @param qkv     [tokens, 3 * width], float32, contiguous: the queries, keys and values of every
///                token
/// @param depths  [tokens]: the place of each token in its sequence; with `causal`, sequences may
///                share prefixes as in PackedText
/// @param heads   divides width
/// @return [tokens, width]
at::Tensor packed_attention(const at::Tensor& qkv, const std::vector<int32_t>& depths,
                            int64_t heads, bool causal);

/// Runs an attention kernel for every head over rows [0, call.end), in parallel: over heads, and
/// over runs of rows that share nothing.
void for_each_head(const kernels::AttentionCall& call, int64_t heads,
                   void (*kernel)(const kernels::AttentionCall&, std::byte* scratch));

}  // namespace paraclip
