#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace paraclip {

/// A well-mixed 64-bit hash of bytes (XXH3). Stable over runs, machines and releases.
uint64_t hash64(std::string_view bytes, uint64_t seed = 0);

/// hash64 as 16 hexadecimal digits.
std::string hash_hex(std::string_view bytes);

/// A 64-bit mixing function (the finaliser of SplitMix64).
uint64_t mix64(uint64_t value);

/// A seeded permutation of [0, size): element `position` of a shuffle, computed alone in O(1)
/// memory.
///
/// A Feistel network on the next even number of bits, walked until it falls inside the range, so
/// the order of samples is a pure function of (seed, epoch, position) and resuming needs no state
/// but the position.
class Permutation {
 public:
  Permutation(uint64_t size, uint64_t seed, uint64_t epoch);

  uint64_t operator()(uint64_t position) const;

 private:
  uint64_t encrypt(uint64_t value) const;

  uint64_t size_;
  uint64_t key_;
  unsigned half_bits_;
};

}  // namespace paraclip
