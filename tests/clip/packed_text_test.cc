#include "paraclip/clip/packed_text.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

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

using Texts = std::vector<std::vector<int64_t>>;
using Rows = std::vector<int64_t>;

at::Tensor rows(const Rows& values) { return at::tensor(at::ArrayRef<int64_t>(values), at::kLong); }

TEST(PackedText, TextsAreCutAfterThePooledTokenAndSharePrefixes) {
  const Texts texts = {{8, 2, 1, 7, 0, 0}, {8, 7}, {8, 2, 3, 7, 4}, {8, 2, 1, 7}, {8, 2, 7}};
  const PackedText packed = pack(texts, small_config(Pooling::kEndToken));
  // In order: 8 2 1 7 (twice), 8 2 3 7, 8 2 7, 8 7.
  EXPECT_TRUE(at::equal(packed.ids, rows({8, 2, 1, 7, 3, 7, 7, 7})));
  EXPECT_TRUE(at::equal(packed.positions, rows({0, 1, 2, 3, 2, 3, 2, 1})));
  EXPECT_EQ(packed.depths, (std::vector<int32_t>{0, 1, 2, 3, 2, 3, 2, 1}));
  EXPECT_EQ(packed.ends, (Rows{3, 5, 6, 7}));
  EXPECT_EQ(packed.end_of, (Rows{0, 3, 1, 0, 2}));
  EXPECT_EQ(packed.max_length, 4);
  EXPECT_EQ(packed.tokens, 4 + 2 + 4 + 4 + 3);
}

TEST(PackedText, APrefixOfAnotherTextEndsWhereItEnds) {
  const PackedText packed = pack(Texts{{8, 3, 9}, {8, 3}}, small_config(Pooling::kHighestId));
  // The highest id ends a text: 8 3 9, and 8.
  EXPECT_TRUE(at::equal(packed.ids, rows({8, 3, 9})));
  EXPECT_EQ(packed.ends, (Rows{0, 2}));
  EXPECT_EQ(packed.end_of, (Rows{1, 0}));
}

TEST(PackedText, NotMoreThanSixtyFourTextsShareAPrefix) {
  Texts texts;
  for (int64_t i = 0; i < 130; ++i) texts.push_back({8, i % 6, i / 6 % 6, i / 36 % 6, 7});
  const PackedText packed = pack(texts, small_config(Pooling::kEndToken));
  EXPECT_EQ(std::count(packed.depths.begin(), packed.depths.end(), 0), 3);
  EXPECT_LT(packed.rows(), packed.tokens / 2);
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
  EXPECT_EQ(packed.depths, (std::vector<int32_t>{0, 1, 2, 3, 0, 1}));
  EXPECT_EQ(packed.ends, (Rows{3, 5}));
  EXPECT_EQ(packed.end_of, (Rows{0, 1}));
  EXPECT_EQ(packed.max_length, 4);

  EXPECT_THROW(pack(Texts{{1, 1}}, config), Error);
  config.positions = 7;  // One less than 6 tokens need, whose first position is 2.
  EXPECT_THROW(pack(texts, config), Error);
}

TEST(PackedText, RefusesWhatTheModelCannotTake) {
  const TextConfig config = small_config(Pooling::kEndToken);
  EXPECT_THROW(pack(Texts{{}}, config), Error);
  EXPECT_THROW(pack(Texts{{8, 1, 1, 1, 1, 1, 7}}, config), Error);
  EXPECT_THROW(pack(Texts{{8, 10, 7}}, config), Error);
  EXPECT_THROW(pack(Texts{{8, -1, 7}}, config), Error);
}

}  // namespace
}  // namespace paraclip
