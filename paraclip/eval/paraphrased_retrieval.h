#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace paraclip {

/// How much two rankings of the same items agree, each in [0, 1].
struct RankSimilarity {
  /// Average overlap, AO@k (Webber, Moffat, Zobel, ACM TOIS 2010): the mean over depths d = 1..k of
  /// the share of items that the first d of both lists have in common. Weighs the top more.
  double average_overlap = 0;
  /// Jaccard similarity, JS@k: common items of the two lists over all items of the two lists.
  double jaccard = 0;
};

/// Compares two lists of the same length k >= 1, best item first, no item twice in a list.
RankSimilarity rank_similarity(std::span<const int64_t> first, std::span<const int64_t> second);

/// Two rows of one tensor.
using RowPair = std::pair<int64_t, int64_t>;

/// Paraphrased retrieval: for each pair of queries the similarity of the top `k` images of the one
/// and of the other.
///
/// `queries` [n, d] and the pool `images` [m, d] are float32 unit rows. Lists are in the order of
/// top_k(). Throws as top_k().
std::vector<RankSimilarity> paraphrased_retrieval(const at::Tensor& queries,
                                                  std::span<const RowPair> pairs,
                                                  const at::Tensor& images, int64_t k);

/// For each pair of queries 100 times Spearman's correlation of their scores over the whole pool
/// (the global stability of PRSM, Schlegel et al., arXiv 2511.11141): equal scores share the mean
/// of their ranks; 0 where a query scores all images alike. Scores are those of top_k().
///
/// As paraphrased_retrieval(). Pairs of one query are cheapest beside each other.
std::vector<double> rank_correlations(const at::Tensor& queries, std::span<const RowPair> pairs,
                                      const at::Tensor& images);

}  // namespace paraclip
