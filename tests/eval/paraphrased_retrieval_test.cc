#include "paraclip/eval/paraphrased_retrieval.h"

#include "tests/eval/brute_force.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
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

// Row i and row n + i.
std::vector<RowPair> row_pairs(int64_t n) {
  std::vector<RowPair> pairs;
  for (int64_t i = 0; i < n; ++i) pairs.emplace_back(i, n + i);
  return pairs;
}

void expect_brute_force(const at::Tensor& queries, const at::Tensor& paraphrases,
                        const at::Tensor& images, int64_t k) {
  const auto found =
      paraphrased_retrieval(at::cat({queries, paraphrases}), row_pairs(queries.size(0)), images, k);
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

// Of equal values each has the mean of the places that they share.
std::vector<double> brute_force_ranks(const std::vector<float>& values) {
  std::vector<double> ranks;
  for (const float value : values) {
    const auto below =
        std::count_if(values.begin(), values.end(), [&](float v) { return v < value; });
    const auto equal = std::count(values.begin(), values.end(), value);
    ranks.push_back(static_cast<double>(below) + static_cast<double>(equal + 1) / 2);
  }
  return ranks;
}

double brute_force_pearson(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  return xx > 0 && yy > 0 ? 100 * xy / std::sqrt(xx * yy) : 0;
}

void expect_correlations(const at::Tensor& queries, const std::vector<RowPair>& pairs,
                         const at::Tensor& images) {
  const auto scores = test::brute_force_scores(queries, images);
  const std::vector<double> found = rank_correlations(queries, pairs, images);
  ASSERT_EQ(found.size(), pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [first, second] = pairs[i];
    EXPECT_NEAR(found[i],
                brute_force_pearson(brute_force_ranks(scores[static_cast<size_t>(first)]),
                                    brute_force_ranks(scores[static_cast<size_t>(second)])),
                1e-9)
        << "pair " << i;
  }
}

TEST(RankCorrelations, EqualBruteForce) {
  expect_correlations(test::random_rows(20, 8, 1), row_pairs(10), test::random_rows(50, 8, 2));
  // Queries that belong to several pairs.
  expect_correlations(test::random_rows(5, 8, 1), {{0, 1}, {0, 2}, {3, 0}, {1, 2}, {4, 4}},
                      test::random_rows(50, 8, 2));
}

TEST(RankCorrelations, EqualBruteForceWithTies) {
  expect_correlations(test::tied_rows(20, 1), row_pairs(10), test::tied_rows(40, 2));
}

// More queries than are held at once over such a pool.
TEST(RankCorrelations, BlocksDoNotShow) {
  const at::Tensor queries = test::random_rows(600, 4, 1), pool = test::random_rows(8192, 4, 2);
  const std::vector<RowPair> pairs = row_pairs(300);
  const std::vector<double> found = rank_correlations(queries, pairs, pool);
  for (size_t i = 0; i < pairs.size(); i += 10)
    EXPECT_EQ(rank_correlations(queries, std::span(pairs).subspan(i, 1), pool)[0], found[i]);
}

TEST(RankCorrelations, HandMade) {
  // Scores of images 0 to 3: (4 3 2 1), (1 2 3 4), (2 2 1 1), all alike.
  const at::Tensor queries =
      at::tensor({4.F, 3.F, 2.F, 1.F, 1.F, 2.F, 3.F, 4.F, 2.F, 2.F, 1.F, 1.F, 1.F, 1.F, 1.F, 1.F})
          .view({4, 4});
  const std::vector<double> found =
      rank_correlations(queries, std::vector<RowPair>{{0, 0}, {0, 1}, {0, 2}, {0, 3}}, at::eye(4));
  EXPECT_DOUBLE_EQ(found[0], 100);
  EXPECT_DOUBLE_EQ(found[1], -100);
  // Ranks (4 3 2 1) and (3.5 3.5 1.5 1.5); ranks in order of rows would give 60 or 100.
  EXPECT_NEAR(found[2], 100 * 4 / std::sqrt(5.0 * 4), 1e-9);
  EXPECT_EQ(found[3], 0);
}

}  // namespace
}  // namespace paraclip
