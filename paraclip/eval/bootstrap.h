#pragma once

#include "paraclip/eval/statistic.h"

#include <cstdint>
#include <span>
#include <vector>

namespace paraclip {

/// A mean and the interval that it lies in.
struct Interval {
  double mean = 0, low = 0, high = 0;

  /// Whether 0 lies outside.
  bool excludes_zero() const { return low > 0 || high < 0; }
};

/// How resamples are drawn.
struct BootstrapOptions {
  int64_t resamples = 10'000;
  double confidence = 0.95;
  uint64_t seed = 0;

  /// Throws kUsage.
  void validate() const;
};

/// The values of `statistics` on `options.resamples` resamples, [statistics][resamples]: units are
/// drawn with replacement within their stratum, as many as it has (Efron and Tibshirani, 1993), and
/// all statistics see the same draws, which makes differences of two of them paired (Koehn, EMNLP
/// 2004). `strata` holds the number of units of each stratum, units numbered through them in order.
/// A pure function of its arguments, whatever the number of threads. Throws kUsage for bad options
/// or an empty stratum; kInterrupted.
std::vector<std::vector<double>> bootstrap(std::span<const Statistic> statistics,
                                           std::span<const int64_t> strata,
                                           const BootstrapOptions& options);

/// The percentile interval of resampled values around `estimate`.
Interval percentile_interval(double estimate, std::vector<double> resampled, double confidence);

/// The two-sided level at which resampled differences leave 0 out: twice the smaller share of those
/// not above and not below 0, with one added to count and total, so that it is never 0.
double bootstrap_p_value(std::span<const double> resampled_differences);

/// Holm's step-down adjustment (Scandinavian Journal of Statistics, 1979) of p-values for looking
/// at all of them: rejecting where the adjusted value is below a level keeps the chance of any
/// false rejection below it.
std::vector<double> holm_adjusted(std::span<const double> p_values);

/// The mean difference of two systems on the same examples, second minus first, with its percentile
/// interval by the paired bootstrap.
///
/// `first` and `second` are of the same length, at least 1. Throws kUsage unless they are.
Interval paired_bootstrap(std::span<const double> first, std::span<const double> second,
                          const BootstrapOptions& options = {});

}  // namespace paraclip
