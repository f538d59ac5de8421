#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace paraclip::test {

/// Scores as top_k() defines them, one at a time: float64 sum, rounded to float32.
inline std::vector<std::vector<float>> brute_force_scores(const at::Tensor& queries,
                                                          const at::Tensor& pool) {
  const auto q = queries.accessor<float, 2>();
  const auto p = pool.accessor<float, 2>();
  std::vector<std::vector<float>> scores(static_cast<size_t>(queries.size(0)));
  for (int64_t i = 0; i < queries.size(0); ++i) {
    for (int64_t j = 0; j < pool.size(0); ++j) {
      double sum = 0;
      for (int64_t d = 0; d < pool.size(1); ++d) sum += static_cast<double>(q[i][d]) * p[j][d];
      scores[static_cast<size_t>(i)].push_back(static_cast<float>(sum));
    }
  }
  return scores;
}

/// The whole ranking of the pool for each query: a full sort by score, then by row.
inline std::vector<std::vector<int64_t>> brute_force_rankings(const at::Tensor& queries,
                                                              const at::Tensor& pool) {
  std::vector<std::vector<int64_t>> rankings;
  for (const std::vector<float>& scores : brute_force_scores(queries, pool)) {
    std::vector<int64_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      const float x = scores[static_cast<size_t>(a)];
      const float y = scores[static_cast<size_t>(b)];
      return x != y ? x > y : a < b;
    });
    rankings.push_back(order);
  }
  return rankings;
}

/// Unit rows [n, d] drawn from a normal distribution.
inline at::Tensor random_rows(int64_t n, int64_t d, uint64_t seed) {
  const at::Tensor rows = at::randn({n, d}, at::make_generator<at::CPUGeneratorImpl>(seed));
  return rows / rows.norm(2, 1, /*keepdim=*/true);
}

/// Unit rows [n, 4] of which there are only a few different ones: half of all scores tie.
inline at::Tensor tied_rows(int64_t n, uint64_t seed) {
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const at::Tensor signs = at::randint(0, 2, {n, 4}, generator, at::kFloat);
  return signs - 0.5;
}

}  // namespace paraclip::test
