#pragma once

#include "paraclip/base/random.h"

#include <cstddef>
#include <cstdint>

namespace paraclip::scenes {

/// A stream of random numbers that is a pure function of its key: the scenes and captions of an
/// index never depend on what was drawn before it.
class Random {
 public:
  explicit Random(uint64_t key) : state_(mix64(key)) {}

  uint64_t next() {
    const uint64_t value = mix64(state_);
    state_ += 0x9e3779b97f4a7c15ULL;
    return value;
  }

  /// In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// In [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// In [0, count); `count` must not be 0.
  size_t below(size_t count) { return static_cast<size_t>(next() % count); }

  bool chance(double probability) { return uniform() < probability; }

  /// In [0, count), rank r with a weight of 1 / (r + 1)^2: the first dominates, as the common word
  /// does among its synonyms.
  size_t zipf(size_t count) {
    const auto weight = [](size_t rank) {
      return 1.0 / (static_cast<double>(rank + 1) * static_cast<double>(rank + 1));
    };
    double total = 0;
    for (size_t rank = 0; rank < count; ++rank) total += weight(rank);
    double left = uniform() * total;
    size_t rank = 0;
    while (rank + 1 < count && left >= weight(rank)) left -= weight(rank++);
    return rank;
  }

 private:
  uint64_t state_;
};

}  // namespace paraclip::scenes
