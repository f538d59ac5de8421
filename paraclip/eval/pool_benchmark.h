#pragma once

#include "paraclip/eval/benchmark.h"
#include "paraclip/eval/query_pairs.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace paraclip {

/// A caption of an image of the pool.
struct PoolCaption {
  std::string text;
  int64_t image = 0;  ///< Row of the pool.
};

/// Pairs of queries whose rankings of the pool are compared.
struct QueryPairSet {
  std::string name;    ///< Before the dot of its metrics; the first set may have none.
  std::string source;  ///< What the pairs are, for the protocol.
  std::vector<QueryPair> pairs;
};

/// What is measured over a pool of images: recall where it has captions, stability where it has
/// pairs of queries.
struct PoolTask {
  std::string pool;  ///< What the images are, for the protocol.
  std::vector<EvalImage> images;
  std::string caption_name;    ///< Before the dot of the metrics of captions, or empty.
  std::string caption_source;  ///< What the captions are, for the protocol.
  std::vector<PoolCaption> captions;
  std::vector<QueryPairSet> pair_sets;
  std::vector<std::pair<std::string, int64_t>> counts;  ///< More to report: what was left out.
  std::string image_remedy;                             ///< What to do where images are missing.
};

/// Makes the benchmark of `task` at the depths that `data` asks for. Its metrics, whose names begin
/// with that of the captions or of the pair set and a dot, where it has one:
///
/// - t2i_recall@k, t2i_median_rank: each caption is a query; the rank of its image in the pool;
/// - i2t_recall@k, i2t_median_rank: each image with a caption is a query; the rank of the best of
///   its captions among all captions;
/// - ao@k, js@k: how alike the top k images of the two queries of a pair are; rank_correlation: of
///   their whole rankings.
///
/// Units of resampling are images with all their captions, and groups of pairs. Recall at the
/// smallest depth, and ao@k and js@k of the first pair set, are headlines.
///
/// Lacks images as benchmarks do: with `data.partial` the pool is what is at hand, with the
/// captions and pairs of these images (pairs without an image all stay), and names of metrics end
/// in " (47 of 1,560 images)". Throws kUsage for depths greater than the pool.
LoadedBenchmark make_pool_benchmark(const BenchmarkData& data, PoolTask task);

}  // namespace paraclip
