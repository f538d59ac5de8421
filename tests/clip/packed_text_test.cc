#include "paraclip/clip/packed_text.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace paraclip {
namespace {

TextConfig small_config(Pooling pooling) {
  TextConfig config;
  config.vocabulary_size = 10;
  config.context_length = 6;
  config.end_token = 7;
  config.pooling = pooling;
  return config;
}

TEST(PackedText, TextsStandOneAfterTheOtherCutAfterThePooledToken) {
  const std::vector<std::vector<int64_t>> texts = {{8, 1, 7, 0, 0}, {8, 7}, {8, 2, 3, 7, 4}};
  const PackedText packed = pack(texts, small_config(Pooling::kEndToken));
  EXPECT_TRUE(at::equal(packed.ids, at::tensor({8, 1, 7, 8, 7, 8, 2, 3, 7}, at::kLong)));
  EXPECT_TRUE(at::equal(packed.positions, at::tensor({0, 1, 2, 0, 1, 0, 1, 2, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(packed.offsets, at::tensor({0, 3, 5, 9}, at::kLong)));
  EXPECT_TRUE(at::equal(packed.last_rows(), at::tensor({2, 4, 8}, at::kLong)));
  EXPECT_EQ(packed.max_length, 4);
}

TEST(PackedText, PoolsAtTheFirstHighestIdOrTheFirstEndToken) {
  const std::vector<int64_t> ids = {8, 7, 9, 1, 9, 7};
  EXPECT_EQ(pooled_length(ids, small_config(Pooling::kHighestId)), 3U);
  EXPECT_EQ(pooled_length(ids, small_config(Pooling::kEndToken)), 2U);
  // Without an end token transformers pools the first position.
  EXPECT_EQ(pooled_length(std::vector<int64_t>{8, 1, 2}, small_config(Pooling::kEndToken)), 1U);
}

TEST(PackedText, LeavesOutRobertasPaddingTokensWhereverTheyStand) {
  TextConfig config = small_config(Pooling::kMean);
  config.architecture = TextArchitecture::kRoberta;
  config.pad_token = 1;
  config.positions = 8;
  const std::vector<std::vector<int64_t>> texts = {{0, 5, 1, 6, 2}, {0, 2, 1, 1}};
  EXPECT_EQ(pooled_length(texts[1], config), 4U);
  const PackedText packed = pack(texts, config);
  EXPECT_TRUE(at::equal(packed.ids, at::tensor({0, 5, 6, 2, 0, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(packed.positions, at::tensor({2, 3, 4, 5, 2, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(packed.offsets, at::tensor({0, 4, 6}, at::kLong)));
  EXPECT_EQ(packed.max_length, 4);

  using Texts = std::vector<std::vector<int64_t>>;
  EXPECT_THROW(pack(Texts{{1, 1}}, config), Error);
  config.positions = 7;  // One less than 6 tokens need, whose first position is 2.
  EXPECT_THROW(pack(texts, config), Error);
}

TEST(PackedText, RefusesWhatTheModelCannotTake) {
  const TextConfig config = small_config(Pooling::kEndToken);
  using Texts = std::vector<std::vector<int64_t>>;
  EXPECT_THROW(pack(Texts{{}}, config), Error);
  EXPECT_THROW(pack(Texts{{8, 1, 1, 1, 1, 1, 7}}, config), Error);
  EXPECT_THROW(pack(Texts{{8, 10, 7}}, config), Error);
  EXPECT_THROW(pack(Texts{{8, -1, 7}}, config), Error);
}

}  // namespace
}  // namespace paraclip
