#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace paraclip {

/// The k best items of a pool for each query, in the one order that every metric here uses: by
/// score, highest first; of equal scores, the lower row of the pool first.
struct TopK {
  at::Tensor indices;  ///< [queries, k] int64: rows of the pool.
  at::Tensor scores;   ///< [queries, k] float32.
};

/// Ranks the rows of `pool` [m, d] for each row of `queries` [n, d] (both float32, on the CPU) by
/// inner product and keeps the best `k` of each, exactly.
///
/// A score is the inner product summed in float64 and rounded to float32. That makes equal vectors
/// tie wherever they stand, which a float32 matrix product doesn't promise: it sums in another
/// order at the edge of its tiles. Memory is bounded by blocks, whatever n and m are.
///
/// Throws kUsage unless 1 <= k <= m; kData if the widths differ; kNumeric if a vector holds a NaN
/// or an infinity.
TopK top_k(const at::Tensor& queries, const at::Tensor& pool, int64_t k);

/// For each query the rank, from 1 on, that the best placed of its `targets` has in the ranking of
/// the whole pool, in the order of top_k(). `targets` [n] are rows of the pool, at least one for
/// each query. Memory is bounded as there. Throws as top_k().
std::vector<int64_t> best_ranks(const at::Tensor& queries, const at::Tensor& pool,
                                const std::vector<std::vector<int64_t>>& targets);

/// The scores of top_k() of all pairs, [n, m] float32: for few queries at a time. Throws as
/// top_k().
at::Tensor all_scores(const at::Tensor& queries, const at::Tensor& pool);

}  // namespace paraclip
