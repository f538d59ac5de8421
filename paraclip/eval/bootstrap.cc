#include "paraclip/eval/bootstrap.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/base/signals.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace paraclip {
namespace {

double sum_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Sets `weights` to how often each unit is drawn. `state` numbers the draws of the whole bootstrap.
void draw(std::span<const int64_t> strata, uint64_t state, std::span<double> weights) {
  std::fill(weights.begin(), weights.end(), 0.0);
  size_t first = 0;
  for (const int64_t count : strata) {
    for (int64_t i = 0; i < count; ++i) {
      // The upper half of the product of a random number and the count is uniform below the count.
      const auto product =
          static_cast<unsigned __int128>(mix64(++state)) * static_cast<uint64_t>(count);
      weights[first + static_cast<size_t>(product >> 64)] += 1;
    }
    first += static_cast<size_t>(count);
  }
}

}  // namespace

void BootstrapOptions::validate() const {
  if (resamples < 1 || !(confidence > 0 && confidence < 1)) {
    fail(ErrorKind::kUsage,
         "bootstrap: {} resamples and a confidence of {} were asked for; expected at least 1 "
         "resample and a confidence between 0 and 1",
         resamples, confidence);
  }
}

std::vector<std::vector<double>> bootstrap(std::span<const Statistic> statistics,
                                           std::span<const int64_t> strata,
                                           const BootstrapOptions& options) {
  options.validate();
  if (strata.empty() || std::any_of(strata.begin(), strata.end(), [](int64_t n) { return n < 1; }))
    fail(ErrorKind::kUsage, "bootstrap: there is nothing to draw from; expected at least 1 unit");
  const int64_t units = std::accumulate(strata.begin(), strata.end(), int64_t{0});
  const uint64_t start = mix64(options.seed);
  std::vector<std::vector<double>> values(
      statistics.size(), std::vector<double>(static_cast<size_t>(options.resamples)));
  at::parallel_for(0, options.resamples, /*grain_size=*/16, [&](int64_t begin, int64_t end) {
    std::vector<double> weights(static_cast<size_t>(units));
    for (int64_t resample = begin; resample < end; ++resample) {
      if (stop_requested()) fail(ErrorKind::kInterrupted, "evaluation was stopped");
      draw(strata, start + static_cast<uint64_t>(resample * units), weights);
      for (size_t i = 0; i < statistics.size(); ++i)
        values[i][static_cast<size_t>(resample)] = statistics[i](weights);
    }
  });
  return values;
}

Interval percentile_interval(double estimate, std::vector<double> resampled, double confidence) {
  std::sort(resampled.begin(), resampled.end());
  const auto quantile = [&](double share) {
    return resampled[static_cast<size_t>(
        std::llround(share * static_cast<double>(resampled.size() - 1)))];
  };
  const double tail = (1 - confidence) / 2;
  return {estimate, quantile(tail), quantile(1 - tail)};
}

double bootstrap_p_value(std::span<const double> resampled_differences) {
  const auto share = [&](auto&& outside) {
    const auto count =
        std::count_if(resampled_differences.begin(), resampled_differences.end(), outside);
    return static_cast<double>(count + 1) / static_cast<double>(resampled_differences.size() + 1);
  };
  const double not_above = share([](double value) { return value <= 0; });
  const double not_below = share([](double value) { return value >= 0; });
  return std::min(1.0, 2 * std::min(not_above, not_below));
}

std::vector<double> holm_adjusted(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto left = static_cast<double>(order.size() - i);
    largest = std::max(largest, std::min(1.0, left * p_values[order[i]]));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

Interval paired_bootstrap(std::span<const double> first, std::span<const double> second,
                          const BootstrapOptions& options) {
  if (first.empty() || first.size() != second.size()) {
    fail(ErrorKind::kUsage, "cannot compare {} values with {}: expected as many, and at least one",
         first.size(), second.size());
  }
  std::vector<double> differences(first.size());
  for (size_t i = 0; i < first.size(); ++i) differences[i] = second[i] - first[i];
  const Statistic mean = mean_statistic(differences);
  const int64_t units = static_cast<int64_t>(differences.size());
  return percentile_interval(sum_of(differences) / static_cast<double>(units),
                             bootstrap({&mean, 1}, {&units, 1}, options)[0], options.confidence);
}

}  // namespace paraclip
