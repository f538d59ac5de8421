#include "paraclip/eval/retrieval.h"

#include "tests/eval/brute_force.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

// Recall by definition, from full rankings: `targets` holds all right answers of each query.
double brute_force_recall(const at::Tensor& queries, const at::Tensor& pool,
                          const std::vector<std::vector<int64_t>>& targets, int64_t k) {
  const auto rankings = test::brute_force_rankings(queries, pool);
  int64_t hits = 0;
  for (size_t query = 0; query < rankings.size(); ++query) {
    const auto end = rankings[query].begin() + k;
    hits += std::any_of(targets[query].begin(), targets[query].end(), [&](int64_t target) {
      return std::find(rankings[query].begin(), end, target) != end;
    });
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(rankings.size());
}

std::vector<int64_t> all_different(int64_t texts) {
  std::vector<int64_t> identity(static_cast<size_t>(texts));
  std::iota(identity.begin(), identity.end(), 0);
  return identity;
}

void expect_brute_force(const at::Tensor& texts, const at::Tensor& images) {
  std::vector<int64_t> image_of_text;
  std::vector<std::vector<int64_t>> image_targets(static_cast<size_t>(images.size(0)));
  std::vector<std::vector<int64_t>> text_targets;
  for (int64_t text = 0; text < texts.size(0); ++text) {
    image_of_text.push_back(text * 7 % images.size(0));
    text_targets.push_back({image_of_text.back()});
    image_targets[static_cast<size_t>(image_of_text.back())].push_back(text);
  }
  const std::vector<Rank> t2i = text_to_image_ranks(texts, images, image_of_text);
  const std::vector<Rank> i2t =
      image_to_text_ranks(texts, images, image_of_text, all_different(texts.size(0)));
  for (const int64_t k : {1, 2, 5, 10}) {
    EXPECT_EQ(recall_percent(t2i, k), brute_force_recall(texts, images, text_targets, k));
    EXPECT_EQ(recall_percent(i2t, k), brute_force_recall(images, texts, image_targets, k));
  }
}

TEST(Retrieval, EqualsBruteForce) {
  expect_brute_force(test::random_rows(120, 6, 1), test::random_rows(40, 6, 2));
  expect_brute_force(test::random_rows(40, 2, 3), test::random_rows(11, 2, 4));
}

TEST(Retrieval, EqualsBruteForceWithTies) {
  expect_brute_force(test::tied_rows(120, 1), test::tied_rows(40, 2));
  expect_brute_force(test::tied_rows(30, 3), test::tied_rows(30, 4));
}

// Two images, two captions each; the second caption of an image is the one that fits it.
//            caption 0  1    2    3
//   image 0:        .1  .9   .5   .3
//   image 1:        .8  .2   .1   .6
class HandMade : public testing::Test {
 protected:
  at::Tensor images_ = at::eye(2);
  at::Tensor texts_ = at::tensor({.1F, .8F, .9F, .2F, .5F, .1F, .3F, .6F}).view({4, 2});
  std::vector<int64_t> image_of_text_{0, 0, 1, 1};
};

TEST_F(HandMade, EveryCaptionIsAQuery) {
  EXPECT_EQ(text_to_image_ranks(texts_, images_, image_of_text_), (std::vector<Rank>{2, 1, 2, 1}));
}

// By first captions alone image 0 would have rank 4 and image 1 rank 4.
TEST_F(HandMade, AnyCaptionOfTheImageIsAHit) {
  const std::vector<Rank> ranks =
      image_to_text_ranks(texts_, images_, image_of_text_, all_different(4));
  EXPECT_EQ(ranks, (std::vector<Rank>{1, 2}));
  EXPECT_EQ(recall_percent(ranks, 1), 50);
  EXPECT_EQ(recall_percent(ranks, 2), 100);
}

// Caption 2 is image 1's, and the same text as caption 0 of image 0, which stands before it.
TEST(Retrieval, ASharedCaptionIsRightForEachOfItsImages) {
  const at::Tensor texts = at::tensor({.7F, .7F, .1F, .1F, .7F, .7F}).view({3, 2});
  const std::vector<int64_t> image_of_text{0, 0, 1};
  EXPECT_EQ(image_to_text_ranks(texts, at::eye(2), image_of_text, std::vector<int64_t>{5, 6, 5}),
            (std::vector<Rank>{1, 1}));
  EXPECT_EQ(image_to_text_ranks(texts, at::eye(2), image_of_text, all_different(3)),
            (std::vector<Rank>{1, 2}));
}

// All images alike: only the rule for ties decides, and it favours nobody but the first row.
TEST(Retrieval, ACollapsedEncoderScoresNothing) {
  const at::Tensor one = at::ones({20, 1});
  const std::vector<int64_t> image_of_text = all_different(20);
  EXPECT_EQ(recall_percent(text_to_image_ranks(one, one, image_of_text), 1), 5);
  EXPECT_EQ(recall_percent(image_to_text_ranks(one, one, image_of_text, all_different(20)), 10),
            50);
}

}  // namespace
}  // namespace paraclip
