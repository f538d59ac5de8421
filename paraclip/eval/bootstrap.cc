#include "paraclip/eval/bootstrap.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace paraclip {

Interval paired_bootstrap(std::span<const double> first, std::span<const double> second,
                          int64_t resamples, double confidence, uint64_t seed) {
  if (first.empty() || first.size() != second.size()) {
    fail(ErrorKind::kUsage, "cannot compare {} values with {}: expected as many, and at least one",
         first.size(), second.size());
  }
  if (resamples < 1 || !(confidence > 0 && confidence < 1)) {
    fail(ErrorKind::kUsage, "expected at least 1 resample and a confidence between 0 and 1");
  }
  const size_t count = first.size();
  std::vector<double> differences(count);
  for (size_t i = 0; i < count; ++i) differences[i] = second[i] - first[i];
  const auto mean = [count](double sum) { return sum / static_cast<double>(count); };

  std::vector<double> means(static_cast<size_t>(resamples));
  uint64_t state = mix64(seed);
  for (double& resampled : means) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) {
      // The upper half of the product of a random number and the count is uniform below the count.
      const uint64_t random = mix64(++state);
      sum +=
          differences[static_cast<size_t>((static_cast<unsigned __int128>(random) * count) >> 64)];
    }
    resampled = mean(sum);
  }
  std::sort(means.begin(), means.end());
  const auto quantile = [&](double share) {
    return means[static_cast<size_t>(std::llround(share * static_cast<double>(resamples - 1)))];
  };
  const double tail = (1 - confidence) / 2;
  return {mean(std::accumulate(differences.begin(), differences.end(), 0.0)), quantile(tail),
          quantile(1 - tail)};
}

}  // namespace paraclip
