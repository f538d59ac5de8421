#include "paraclip/eval/paraphrased_retrieval.h"

#include "paraclip/eval/top_k.h"

#include <algorithm>

namespace paraclip {

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
                                                  const at::Tensor& paraphrases,
                                                  const at::Tensor& images, int64_t k) {
  const at::Tensor first = top_k(queries, images, k).indices;
  const at::Tensor second = top_k(paraphrases, images, k).indices;
  const auto list = [k](const at::Tensor& lists, size_t row) {
    return std::span(lists.const_data_ptr<int64_t>() + static_cast<int64_t>(row) * k,
                     static_cast<size_t>(k));
  };
  std::vector<RankSimilarity> result(static_cast<size_t>(first.size(0)));
  for (size_t pair = 0; pair < result.size(); ++pair)
    result[pair] = rank_similarity(list(first, pair), list(second, pair));
  return result;
}

}  // namespace paraclip
