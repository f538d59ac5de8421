#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
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

/// Paraphrased retrieval: for each pair of queries the similarity of the top `k` images of the one
/// and of the other.
///
/// `queries` and `paraphrases` [n, d] hold the vectors of pair i in their rows i, `images` [m, d]
/// the pool; all float32 unit rows. Lists are in the order of top_k(). Throws as top_k().
std::vector<RankSimilarity> paraphrased_retrieval(const at::Tensor& queries,
                                                  const at::Tensor& paraphrases,
                                                  const at::Tensor& images, int64_t k);

}  // namespace paraclip
