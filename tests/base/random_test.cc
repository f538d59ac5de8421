#include "paraclip/base/random.h"

#include <gtest/gtest.h>

#include <vector>

namespace paraclip {
namespace {

std::vector<uint64_t> order(uint64_t size, uint64_t seed, uint64_t epoch) {
  const Permutation permutation(size, seed, epoch);
  std::vector<uint64_t> values;
  for (uint64_t position = 0; position < size; ++position) values.push_back(permutation(position));
  return values;
}

TEST(Permutation, IsABijection) {
  std::vector<uint64_t> sizes = {1000, 4095, 4096, 4097, 65536, 100003};
  for (uint64_t size = 1; size <= 300; ++size) sizes.push_back(size);
  for (const uint64_t size : sizes) {
    std::vector<bool> seen(size);
    for (const uint64_t value : order(size, /*seed=*/7, /*epoch=*/size % 3)) {
      ASSERT_LT(value, size);
      ASSERT_FALSE(seen[value]) << value << " twice, of size " << size;
      seen[value] = true;
    }
  }
}

TEST(Permutation, DependsOnSeedAndEpoch) {
  EXPECT_EQ(order(100, 1, 2), order(100, 1, 2));
  EXPECT_NE(order(100, 1, 2), order(100, 1, 3));
  EXPECT_NE(order(100, 1, 2), order(100, 2, 2));
  EXPECT_NE(order(100, 1, 2), order(100, 2, 1));
}

// Runs are resumed by newer releases, so the order may never change.
TEST(Permutation, IsStable) {
  EXPECT_EQ(order(8, 0, 0), (std::vector<uint64_t>{0, 1, 2, 5, 6, 3, 4, 7}));
}

// Every position should receive every value about equally often over the epochs.
TEST(Permutation, IsUniform) {
  constexpr uint64_t kSize = 10;
  constexpr int kEpochs = 20000;
  std::vector<std::vector<int>> counts(kSize, std::vector<int>(kSize));
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const std::vector<uint64_t> values = order(kSize, /*seed=*/3, epoch);
    for (uint64_t position = 0; position < kSize; ++position) ++counts[position][values[position]];
  }
  for (const auto& row : counts) {
    for (const int count : row) EXPECT_NEAR(count, kEpochs / kSize, 250);  // 6 standard deviations.
  }
}

TEST(Permutation, ReachesTheEndOfAHugeRange) {
  constexpr uint64_t kSize = (uint64_t{1} << 62) + 12345;
  const Permutation permutation(kSize, 1, 1);
  EXPECT_LT(permutation(0), kSize);
  EXPECT_LT(permutation(kSize - 1), kSize);
  EXPECT_NE(permutation(0), permutation(kSize - 1));
}

// Published values: XXH3 of nothing, and the first two outputs of SplitMix64 seeded with 0.
TEST(Hash, AgreesWithItsDefinition) {
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2U);
  EXPECT_EQ(hash_hex(""), "2d06800538d394c2");
  EXPECT_EQ(mix64(0), 0xe220a8397b1dcdafU);
  EXPECT_EQ(mix64(0x9e3779b97f4a7c15U), 0x6e789e6aa1b965f4U);
}

TEST(Hash, DependsOnTheSeed) { EXPECT_NE(hash64("a", 1), hash64("a", 2)); }

}  // namespace
}  // namespace paraclip
