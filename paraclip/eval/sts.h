#pragma once

#include "paraclip/eval/benchmark.h"

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace paraclip {

/// Two sentences and how alike people found them; on STS's scale of 0 to 5, SICK's of 1 to 5.
struct StsPair {
  std::string first;
  std::string second;
  double gold = 0;
};

/// The scored pairs of one source of sentences.
struct StsSubset {
  std::string name;  ///< "MSRpar".
  std::vector<StsPair> pairs;
};

/// One of the tasks STS12 to STS16, STS-B and SICK-R; the last two are one subset each.
struct StsTask {
  std::string name;  ///< "sts12".
  std::vector<StsSubset> subsets;
};

/// Semantic textual similarity: the correlation of cosines with human judgement, in the protocol of
/// SentEval as SimCSE changed it (Gao, Yao, Chen, EMNLP 2021, appendix B: "all").
class StsBenchmark final : public Benchmark {
 public:
  /// `tasks`, each with at least one pair a subset; with all seven there is an average.
  explicit StsBenchmark(std::vector<StsTask> tasks) : tasks_(std::move(tasks)) {}

  const std::vector<StsTask>& tasks() const { return tasks_; }

  std::vector<std::pair<std::string, std::string>> protocol() const override;
  std::vector<std::pair<std::string, int64_t>> counts() const override;
  Outcome run(Encoder& encoder) const override;

  /// What run() gives where the similarity of pair i, through all subsets of all tasks in order, is
  /// `similarities[i]`: any similarity of texts can be put in for the cosine. Throws kUsage for
  /// another number of similarities than of pairs.
  Outcome measure(std::span<const double> similarities) const;

 private:
  std::vector<StsTask> tasks_;
};

}  // namespace paraclip
