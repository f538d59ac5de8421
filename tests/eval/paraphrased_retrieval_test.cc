#include "paraclip/eval/paraphrased_retrieval.h"

#include "tests/eval/brute_force.h"

#include <gtest/gtest.h>

#include <set>

namespace paraclip {
namespace {

using List = std::vector<int64_t>;

// The definitions, letter by letter, on sets.
RankSimilarity brute_force(const List& first, const List& second) {
  const auto common = [&](size_t depth) {
    const std::set<int64_t> a(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(depth));
    const std::set<int64_t> b(second.begin(), second.begin() + static_cast<std::ptrdiff_t>(depth));
    std::set<int64_t> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(both, both.end()));
    return static_cast<double>(both.size());
  };
  RankSimilarity result;
  for (size_t depth = 1; depth <= first.size(); ++depth)
    result.average_overlap += common(depth) / static_cast<double>(depth);
  result.average_overlap /= static_cast<double>(first.size());
  std::set<int64_t> all(first.begin(), first.end());
  all.insert(second.begin(), second.end());
  result.jaccard = common(first.size()) / static_cast<double>(all.size());
  return result;
}

void expect_similarity(const List& first, const List& second, double average_overlap,
                       double jaccard) {
  for (const auto& result : {rank_similarity(first, second), rank_similarity(second, first)}) {
    EXPECT_DOUBLE_EQ(result.average_overlap, average_overlap);
    EXPECT_DOUBLE_EQ(result.jaccard, jaccard);
  }
}

TEST(RankSimilarity, HandMadeLists) {
  expect_similarity({1, 2, 3}, {1, 2, 3}, 1, 1);
  expect_similarity({1, 2, 3}, {4, 5, 6}, 0, 0);
  expect_similarity({7}, {7}, 1, 1);
  // Depth 1: 0 of 1; depth 2: 2 of 2. Without the division by the depth it would be 1.
  expect_similarity({1, 2}, {2, 1}, 0.5, 1);
  // The common item at the top: (1/1 + 1/2 + 1/3) / 3; at the bottom: (0 + 0 + 1/3) / 3.
  expect_similarity({1, 2, 3}, {1, 5, 6}, 11.0 / 18, 0.2);
  expect_similarity({1, 2, 3}, {5, 6, 3}, 1.0 / 9, 0.2);
  // First in one list and last in the other: common only from depth 3.
  expect_similarity({1, 2, 3}, {5, 6, 1}, 1.0 / 9, 0.2);
}

void expect_brute_force(const at::Tensor& queries, const at::Tensor& paraphrases,
                        const at::Tensor& images, int64_t k) {
  const auto found = paraphrased_retrieval(queries, paraphrases, images, k);
  const auto first = test::brute_force_rankings(queries, images);
  const auto second = test::brute_force_rankings(paraphrases, images);
  ASSERT_EQ(found.size(), first.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const auto expected = brute_force(List(first[i].begin(), first[i].begin() + k),
                                      List(second[i].begin(), second[i].begin() + k));
    EXPECT_DOUBLE_EQ(found[i].average_overlap, expected.average_overlap) << "pair " << i;
    EXPECT_DOUBLE_EQ(found[i].jaccard, expected.jaccard) << "pair " << i;
  }
}

TEST(ParaphrasedRetrieval, EqualsBruteForce) {
  const at::Tensor queries = test::random_rows(50, 8, 1);
  const at::Tensor near = queries + 0.3 * test::random_rows(50, 8, 2);
  const at::Tensor images = test::random_rows(200, 8, 3);
  for (const int64_t k : {1, 2, 10, 200}) expect_brute_force(queries, near, images, k);
}

TEST(ParaphrasedRetrieval, EqualsBruteForceWithTies) {
  for (const int64_t k : {1, 3, 10, 40})
    expect_brute_force(test::tied_rows(30, 1), test::tied_rows(30, 2), test::tied_rows(40, 3), k);
}

}  // namespace
}  // namespace paraclip
