#include "paraclip/eval/top_k.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <span>

namespace paraclip {
namespace {

// 1,024 x 4,096 scores in float64 are 32 MiB: enough rows for the matrix product to run at full
// speed, and small beside any model.
constexpr int64_t kQueryBlock = 1024;
constexpr int64_t kPoolBlock = 4096;

void check_vectors(const at::Tensor& vectors, const char* name) {
  TORCH_CHECK(vectors.dim() == 2 && vectors.scalar_type() == at::kFloat && vectors.is_cpu());
  for (int64_t start = 0; start < vectors.size(0); start += kPoolBlock) {
    const int64_t rows = std::min(kPoolBlock, vectors.size(0) - start);
    const at::Tensor finite = vectors.narrow(0, start, rows).isfinite().all(1);
    if (finite.all().item<bool>()) continue;
    const int64_t bad = start + finite.logical_not().nonzero()[0][0].item<int64_t>();
    fail(ErrorKind::kNumeric,
         "ranking: {} vector {} of {} holds a NaN or an infinity; expected finite numbers (a "
         "diverged model or a damaged file)",
         name, bad, vectors.size(0));
  }
}

// The best k of one query so far, best first.
struct BestList {
  int64_t* indices;
  float* scores;
  int64_t size;

  // Items come by rising index, so that a later one goes behind all of equal score.
  void insert(int64_t index, float score, int64_t k) {
    int64_t at = size < k ? size++ : k - 1;
    for (; at > 0 && scores[at - 1] < score; --at) {
      scores[at] = scores[at - 1];
      indices[at] = indices[at - 1];
    }
    scores[at] = score;
    indices[at] = index;
  }
};

// Continues each query's list, which has seen the pool's first `start` rows, with `scores`
// [queries, rows].
void scan(const at::Tensor& scores, int64_t start, const at::Tensor& indices,
          const at::Tensor& best) {
  const int64_t rows = scores.size(1);
  const int64_t k = best.size(1);
  at::parallel_for(0, scores.size(0), /*grain_size=*/16, [&](int64_t begin, int64_t end) {
    for (int64_t query = begin; query < end; ++query) {
      const double* row = scores.const_data_ptr<double>() + query * rows;
      BestList list{indices.mutable_data_ptr<int64_t>() + query * k,
                    best.mutable_data_ptr<float>() + query * k, std::min(start, k)};
      for (int64_t i = 0; i < rows; ++i) {
        const float score = static_cast<float>(row[i]);
        if (list.size < k || score > list.scores[k - 1]) list.insert(start + i, score, k);
      }
    }
  });
}

void check(const at::Tensor& queries, const at::Tensor& pool) {
  check_vectors(queries, "query");
  check_vectors(pool, "pool");
  if (queries.size(1) != pool.size(1)) {
    fail(ErrorKind::kData,
         "ranking: the queries are {} wide and the pool is {} wide; both must come from one model",
         queries.size(1), pool.size(1));
  }
}

// Calls `use` with the first query, the first row of the pool and the scores in float64 of each
// block; of each query the blocks come by rising rows of the pool.
template <typename Use>
void for_each_block(const at::Tensor& queries, const at::Tensor& pool, const Use& use) {
  const at::InferenceMode no_graph;
  for (int64_t q = 0; q < queries.size(0); q += kQueryBlock) {
    const int64_t count = std::min(kQueryBlock, queries.size(0) - q);
    const at::Tensor block = queries.narrow(0, q, count).to(at::kDouble);
    for (int64_t p = 0; p < pool.size(0); p += kPoolBlock) {
      const int64_t rows = std::min(kPoolBlock, pool.size(0) - p);
      use(q, p, at::mm(block, pool.narrow(0, p, rows).to(at::kDouble).t()));
    }
  }
}

// A row of the pool and its score for a query.
struct Target {
  int64_t row = 0;
  float score = 0;
};

// The one of `rows` that stands first in the ranking for `query`.
Target best_target(const float* query, const at::Tensor& pool, const std::vector<int64_t>& rows) {
  const int64_t width = pool.size(1);
  Target best;
  for (size_t i = 0; i < rows.size(); ++i) {
    const float* vector = pool.const_data_ptr<float>() + rows[i] * width;
    double sum = 0;
    for (int64_t d = 0; d < width; ++d) sum += double{query[d]} * vector[d];
    const Target target{rows[i], static_cast<float>(sum)};
    const bool first =
        target.score != best.score ? target.score > best.score : target.row < best.row;
    if (i == 0 || first) best = target;
  }
  return best;
}

// Adds to each query's rank how many of the pool's rows from `start` on stand before its target.
void count_before(const at::Tensor& scores, int64_t start, std::span<const Target> targets,
                  std::span<int64_t> ranks) {
  const int64_t rows = scores.size(1);
  at::parallel_for(0, scores.size(0), /*grain_size=*/16, [&](int64_t begin, int64_t end) {
    for (int64_t query = begin; query < end; ++query) {
      const auto [target, limit] = targets[static_cast<size_t>(query)];
      const double* row = scores.const_data_ptr<double>() + query * rows;
      const int64_t lower = std::clamp<int64_t>(target - start, 0, rows);
      const int64_t higher = std::clamp<int64_t>(target + 1 - start, 0, rows);
      int64_t before = 0;
      for (int64_t i = 0; i < lower; ++i) before += static_cast<float>(row[i]) >= limit ? 1 : 0;
      for (int64_t i = higher; i < rows; ++i) before += static_cast<float>(row[i]) > limit ? 1 : 0;
      ranks[static_cast<size_t>(query)] += before;
    }
  });
}

}  // namespace

TopK top_k(const at::Tensor& queries, const at::Tensor& pool, int64_t k) {
  check(queries, pool);
  if (k < 1 || k > pool.size(0)) {
    fail(ErrorKind::kUsage, "ranking: the top {} of {} items were asked for; expected 1 to {}", k,
         pool.size(0), pool.size(0));
  }
  TopK result{at::empty({queries.size(0), k}, at::kLong),
              at::empty({queries.size(0), k}, at::kFloat)};
  for_each_block(queries, pool, [&](int64_t q, int64_t p, const at::Tensor& scores) {
    const int64_t count = scores.size(0);
    scan(scores, p, result.indices.narrow(0, q, count), result.scores.narrow(0, q, count));
  });
  return result;
}

std::vector<int64_t> best_ranks(const at::Tensor& queries, const at::Tensor& pool,
                                const std::vector<std::vector<int64_t>>& targets) {
  check(queries, pool);
  TORCH_CHECK(static_cast<int64_t>(targets.size()) == queries.size(0));
  const at::Tensor query_rows = queries.contiguous(), pool_rows = pool.contiguous();
  std::vector<Target> best(targets.size());
  at::parallel_for(0, queries.size(0), /*grain_size=*/64, [&](int64_t begin, int64_t end) {
    for (int64_t query = begin; query < end; ++query) {
      const std::vector<int64_t>& rows = targets[static_cast<size_t>(query)];
      TORCH_CHECK(!rows.empty());
      best[static_cast<size_t>(query)] = best_target(
          query_rows.const_data_ptr<float>() + query * queries.size(1), pool_rows, rows);
    }
  });
  std::vector<int64_t> ranks(targets.size(), 1);
  for_each_block(queries, pool, [&](int64_t q, int64_t p, const at::Tensor& scores) {
    const auto first = static_cast<size_t>(q), count = static_cast<size_t>(scores.size(0));
    count_before(scores, p, std::span<const Target>(best).subspan(first, count),
                 std::span(ranks).subspan(first, count));
  });
  return ranks;
}

at::Tensor all_scores(const at::Tensor& queries, const at::Tensor& pool) {
  check(queries, pool);
  at::Tensor result = at::empty({queries.size(0), pool.size(0)}, at::kFloat);
  for_each_block(queries, pool, [&](int64_t q, int64_t p, const at::Tensor& scores) {
    result.narrow(0, q, scores.size(0)).narrow(1, p, scores.size(1)).copy_(scores);
  });
  return result;
}

}  // namespace paraclip
