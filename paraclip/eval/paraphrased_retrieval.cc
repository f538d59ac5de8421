#include "paraclip/eval/paraphrased_retrieval.h"

#include "paraclip/eval/statistic.h"
#include "paraclip/eval/top_k.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace paraclip {
namespace {

// Scores that are held at once, with as many ranks: 32 MiB each.
constexpr size_t kBlockScores = size_t{1} << 22;

// The first pairs of a list that need at most so many (2 or more) different queries.
struct QueryBlock {
  std::vector<int64_t> rows;   // The queries.
  std::vector<RowPair> pairs;  // As places in `rows`.

  QueryBlock(std::span<const RowPair> all, size_t most) {
    std::unordered_map<int64_t, int64_t> places;
    const auto place = [&](int64_t row) {
      const auto [entry, added] = places.emplace(row, static_cast<int64_t>(rows.size()));
      if (added) rows.push_back(row);
      return entry->second;
    };
    for (const auto& [first, second] : all) {
      if (rows.size() > most - 2) break;
      const int64_t place_of_first = place(first);
      pairs.emplace_back(place_of_first, place(second));
    }
  }
};

at::Tensor select_rows(const at::Tensor& vectors, const std::vector<int64_t>& rows) {
  return vectors.index_select(0, at::tensor(rows, at::kLong));
}

std::vector<double> block_correlations(const at::Tensor& scores, std::span<const RowPair> pairs) {
  std::vector<std::vector<double>> ranks(static_cast<size_t>(scores.size(0)));
  at::parallel_for(0, scores.size(0), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* values = scores.const_data_ptr<float>() + row * scores.size(1);
      ranks[static_cast<size_t>(row)] =
          average_ranks(std::vector<double>(values, values + scores.size(1)));
    }
  });
  // Spearman's correlation is Pearson's of the ranks.
  const std::vector<double> once(static_cast<size_t>(scores.size(1)), 1.0);
  std::vector<double> result(pairs.size());
  at::parallel_for(0, static_cast<int64_t>(pairs.size()), /*grain_size=*/1,
                   [&](int64_t begin, int64_t end) {
                     for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
                       const auto& [first, second] = pairs[i];
                       result[i] = pearson_statistic(ranks[static_cast<size_t>(first)],
                                                     ranks[static_cast<size_t>(second)])(once);
                     }
                   });
  return result;
}

}  // namespace

RankSimilarity rank_similarity(std::span<const int64_t> first, std::span<const int64_t> second) {
  // A common item at places i and j (from 0) belongs to the overlap from depth max(i, j) + 1 on.
  const size_t k = first.size();
  std::vector<int64_t> joins(k, 0);
  for (size_t i = 0; i < k; ++i) {
    const auto found = std::find(second.begin(), second.end(), first[i]);
    if (found != second.end()) ++joins[std::max(i, static_cast<size_t>(found - second.begin()))];
  }
  int64_t overlap = 0;
  double sum = 0;
  for (size_t depth = 1; depth <= k; ++depth) {
    overlap += joins[depth - 1];
    sum += static_cast<double>(overlap) / static_cast<double>(depth);
  }
  const auto all = 2 * static_cast<int64_t>(k) - overlap;
  return {sum / static_cast<double>(k), static_cast<double>(overlap) / static_cast<double>(all)};
}

std::vector<RankSimilarity> paraphrased_retrieval(const at::Tensor& queries,
                                                  std::span<const RowPair> pairs,
                                                  const at::Tensor& images, int64_t k) {
  const QueryBlock block(pairs, std::numeric_limits<size_t>::max());
  const at::Tensor lists = top_k(select_rows(queries, block.rows), images, k).indices;
  const auto list = [&](int64_t row) {
    return std::span(lists.const_data_ptr<int64_t>() + row * k, static_cast<size_t>(k));
  };
  std::vector<RankSimilarity> result;
  for (const auto& [first, second] : block.pairs)
    result.push_back(rank_similarity(list(first), list(second)));
  return result;
}

std::vector<double> rank_correlations(const at::Tensor& queries, std::span<const RowPair> pairs,
                                      const at::Tensor& images) {
  const size_t rows = std::max<size_t>(2, kBlockScores / static_cast<size_t>(images.size(0)));
  std::vector<double> result;
  while (result.size() < pairs.size()) {
    const QueryBlock block(pairs.subspan(result.size()), rows);
    const at::Tensor scores = all_scores(select_rows(queries, block.rows), images);
    const std::vector<double> values = block_correlations(scores, block.pairs);
    result.insert(result.end(), values.begin(), values.end());
  }
  return result;
}

}  // namespace paraclip
