#pragma once

#include <cstdint>
#include <span>

namespace paraclip {

/// A mean and the interval that it lies in.
struct Interval {
  double mean = 0, low = 0, high = 0;

  /// Whether 0 lies outside.
  bool excludes_zero() const { return low > 0 || high < 0; }
};

/// The mean difference of two systems on the same examples, second minus first, with its percentile
/// interval by the paired bootstrap (Efron and Tibshirani, 1993; Koehn, EMNLP 2004): examples are
/// drawn with replacement, both systems' values together. A pure function of its arguments.
///
/// `first` and `second` are of the same length, at least 1. Throws kUsage unless they are, the
/// confidence is in (0, 1) and resamples are at least 1.
Interval paired_bootstrap(std::span<const double> first, std::span<const double> second,
                          int64_t resamples = 10'000, double confidence = 0.95, uint64_t seed = 0);

}  // namespace paraclip
