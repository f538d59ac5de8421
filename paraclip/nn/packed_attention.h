#pragma once

#include <ATen/core/Tensor.h>

namespace paraclip {

/// Multi-head self-attention within each sequence of a packed batch, with gradients by autograd.
///
/// Softmax(q k^T / sqrt(head width)) v, for every head of every sequence alone; with `causal`, a
/// token sees itself and the tokens before it. No padding takes part, so the cost is the sum of the
/// squared lengths.
///
/// @param qkv     [tokens, 3 * width], float or double, contiguous: the queries, keys and values of
/// every token
/// @param offsets [batch + 1], int64 on the CPU: sequence b is the rows [offsets[b], offsets[b +
/// 1])
/// @param heads   divides width
/// @return [tokens, width]
at::Tensor packed_attention(const at::Tensor& qkv, const at::Tensor& offsets, int64_t heads,
                            bool causal);

}  // namespace paraclip
