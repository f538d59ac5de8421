// Statistics and rankings as evaluation computes them, for scripts/compare_metrics.py:
//
//   dump_metrics statistics X.npy Y.npy WEIGHTS.npy
//   dump_metrics ranking QUERIES.npy PARAPHRASES.npy POOL.npy TARGETS.npy K
//
// prints one JSON object. X, Y and WEIGHTS [n] are f64, of which WEIGHTS says how often each pair
// counts. QUERIES and PARAPHRASES [n, width] and POOL [m, width] are f32, TARGETS [n] i64: the row
// of the pool that each query looks for.

#include "paraclip/base/error.h"
#include "paraclip/base/json.h"
#include "paraclip/eval/paraphrased_retrieval.h"
#include "paraclip/eval/retrieval.h"
#include "paraclip/eval/statistic.h"
#include "paraclip/eval/top_k.h"
#include "paraclip/io/npy.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <string>
#include <vector>

namespace paraclip {
namespace {

template <class T>
std::vector<T> read_list(const std::string& path) {
  const at::Tensor values = read_npy(path);
  const T* first = values.const_data_ptr<T>();
  return {first, first + values.numel()};
}

Json statistics(const std::vector<std::string>& files) {
  const auto x = read_list<double>(files[0]), y = read_list<double>(files[1]),
             weights = read_list<double>(files[2]);
  return {{"spearman", spearman_statistic(x, y)(weights)},
          {"pearson", pearson_statistic(x, y)(weights)},
          {"mean", mean_statistic(x)(weights)},
          {"median", median_statistic(x)(weights)}};
}

Json ranking(const std::vector<std::string>& arguments) {
  const at::Tensor queries = read_npy(arguments[0]), paraphrases = read_npy(arguments[1]),
                   pool = read_npy(arguments[2]);
  const int64_t k = std::stoll(arguments[4]);
  const at::Tensor top = top_k(queries, pool, k).indices;
  const int64_t* indices = top.const_data_ptr<int64_t>();
  const std::vector<Rank> ranks =
      text_to_image_ranks(queries, pool, read_list<int64_t>(arguments[3]));
  Json average_overlap = Json::array(), jaccard = Json::array();
  std::vector<RowPair> pairs;
  for (int64_t i = 0; i < queries.size(0); ++i) pairs.emplace_back(i, queries.size(0) + i);
  const at::Tensor both = at::cat({queries, paraphrases});
  for (const RankSimilarity& pair : paraphrased_retrieval(both, pairs, pool, k)) {
    average_overlap.push_back(pair.average_overlap);
    jaccard.push_back(pair.jaccard);
  }
  const std::vector<double> values(ranks.begin(), ranks.end());
  return {{"top_k", std::vector<int64_t>(indices, indices + top.numel())},
          {"ranks", ranks},
          {"recall", recall_percent(ranks, k)},
          {"median_rank", median_statistic(values)(std::vector<double>(values.size(), 1.0))},
          {"average_overlap", average_overlap},
          {"jaccard", jaccard},
          {"rank_correlation", rank_correlations(both, pairs, pool)}};
}

Json run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 4 && arguments[0] == "statistics")
    return statistics({arguments.begin() + 1, arguments.end()});
  if (arguments.size() == 6 && arguments[0] == "ranking")
    return ranking({arguments.begin() + 1, arguments.end()});
  fail(ErrorKind::kUsage,
       "usage: dump_metrics statistics X Y WEIGHTS | ranking QUERIES PARAPHRASES POOL TARGETS K");
}

}  // namespace
}  // namespace paraclip

int main(int argc, char** argv) {
  try {
    fmt::print("{}\n", paraclip::dump_json(paraclip::run({argv + 1, argv + argc})));
    return 0;
  } catch (const paraclip::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
