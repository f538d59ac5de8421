#include "paraclip/eval/top_k.h"

#include "paraclip/base/error.h"
#include "tests/eval/brute_force.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace paraclip {
namespace {

void expect_brute_force(const at::Tensor& queries, const at::Tensor& pool, int64_t k) {
  const TopK found = top_k(queries, pool, k);
  const auto scores = test::brute_force_scores(queries, pool);
  const auto rankings = test::brute_force_rankings(queries, pool);
  ASSERT_EQ(found.indices.sizes(), at::IntArrayRef({queries.size(0), k}));
  ASSERT_EQ(found.scores.sizes(), at::IntArrayRef({queries.size(0), k}));
  for (int64_t query = 0; query < queries.size(0); ++query) {
    for (int64_t place = 0; place < k; ++place) {
      const auto q = static_cast<size_t>(query);
      const int64_t expected = rankings[q][static_cast<size_t>(place)];
      ASSERT_EQ(found.indices[query][place].item<int64_t>(), expected)
          << "query " << query << ", place " << place;
      ASSERT_EQ(found.scores[query][place].item<float>(), scores[q][static_cast<size_t>(expected)]);
    }
  }
}

TEST(TopK, EqualsAFullSort) {
  expect_brute_force(test::random_rows(7, 24, 1), test::random_rows(301, 24, 2), 10);
  expect_brute_force(test::random_rows(5, 3, 3), test::random_rows(20, 3, 4), 20);
  expect_brute_force(test::random_rows(3, 8, 5), test::random_rows(1, 8, 6), 1);
}

TEST(TopK, TiesGoToTheLowerRow) {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    expect_brute_force(test::tied_rows(9, seed), test::tied_rows(50, 100 + seed), 10);
    expect_brute_force(test::tied_rows(9, seed), test::tied_rows(50, 100 + seed), 50);
  }
}

// More rows than a block holds, of both sides; the best items stand on both sides of block edges.
TEST(TopK, BlocksDoNotShow) {
  expect_brute_force(test::random_rows(1100, 4, 7), test::random_rows(60, 4, 8), 7);
  expect_brute_force(test::tied_rows(3, 9), test::tied_rows(8500, 10), 700);
  expect_brute_force(test::random_rows(2, 4, 11), test::random_rows(8500, 4, 12), 100);
}

// Widths and places at which a float32 matrix product sums equal rows in different orders.
TEST(TopK, EqualVectorsTieWhereverTheyStand) {
  for (const int64_t width : {7, 67, 300, 512}) {
    for (const int64_t count : {5, 37, 101}) {
      const at::Tensor one = test::random_rows(1, width, static_cast<uint64_t>(width));
      const at::Tensor queries = test::random_rows(33, width, 1);
      const at::Tensor found =
          top_k(queries, one.expand({count, width}).contiguous(), count).indices;
      EXPECT_TRUE(found.equal(at::arange(count).expand({33, count})))
          << "width " << width << ", " << count << " equal rows";
    }
  }
}

TEST(TopK, NoQueriesGiveEmptyLists) {
  EXPECT_EQ(top_k(at::empty({0, 4}), test::tied_rows(5, 1), 3).indices.sizes(),
            at::IntArrayRef({0, 3}));
}

// Each query with one to three targets, the same twice among them.
void expect_brute_force_ranks(const at::Tensor& queries, const at::Tensor& pool) {
  std::vector<std::vector<int64_t>> targets;
  for (int64_t query = 0; query < queries.size(0); ++query) {
    targets.emplace_back();
    for (int64_t i = 0; i <= query % 3; ++i)
      targets.back().push_back((query * 31 + i * 7) % pool.size(0));
  }
  const std::vector<int64_t> found = best_ranks(queries, pool, targets);
  const auto rankings = test::brute_force_rankings(queries, pool);
  ASSERT_EQ(found.size(), targets.size());
  for (size_t query = 0; query < found.size(); ++query) {
    const auto first = std::find_first_of(rankings[query].begin(), rankings[query].end(),
                                          targets[query].begin(), targets[query].end());
    ASSERT_EQ(found[query], first - rankings[query].begin() + 1) << "query " << query;
  }
}

TEST(BestRanks, EqualAFullSort) {
  expect_brute_force_ranks(test::random_rows(50, 24, 1), test::random_rows(301, 24, 2));
  expect_brute_force_ranks(test::random_rows(5, 3, 3), test::random_rows(7, 3, 4));
}

TEST(BestRanks, TiesGoToTheLowerRow) {
  for (const uint64_t seed : {1, 2, 3, 4})
    expect_brute_force_ranks(test::tied_rows(60, seed), test::tied_rows(50, 100 + seed));
}

TEST(BestRanks, BlocksDoNotShow) {
  expect_brute_force_ranks(test::random_rows(1100, 4, 7), test::random_rows(60, 4, 8));
  expect_brute_force_ranks(test::tied_rows(5, 9), test::tied_rows(8500, 10));
}

// The rank in a pool of equal vectors is the row, wherever it stands.
TEST(BestRanks, EqualVectorsTieWhereverTheyStand) {
  for (const int64_t width : {7, 67, 512}) {
    const at::Tensor pool = test::random_rows(1, width, 1).expand({101, width}).contiguous();
    const at::Tensor queries = test::random_rows(101, width, 2);
    std::vector<std::vector<int64_t>> targets;
    std::vector<int64_t> expected;
    for (int64_t row = 0; row < 101; ++row) {
      targets.push_back({row});
      expected.push_back(row + 1);
    }
    EXPECT_EQ(best_ranks(queries, pool, targets), expected) << "width " << width;
  }
}

TEST(AllScores, AreThoseOfTheRanking) {
  const at::Tensor queries = test::random_rows(3, 67, 1), pool = test::random_rows(5000, 67, 2);
  const auto expected = test::brute_force_scores(queries, pool);
  const at::Tensor found = all_scores(queries, pool);
  const TopK first = top_k(queries, pool, 20);
  for (int64_t query = 0; query < 3; ++query) {
    for (int64_t row = 0; row < 5000; ++row) {
      ASSERT_EQ(found[query][row].item<float>(),
                expected[static_cast<size_t>(query)][static_cast<size_t>(row)]);
    }
  }
  EXPECT_TRUE(first.scores.equal(found.gather(1, first.indices)));
}

ErrorKind kind_of_failure(const at::Tensor& queries, const at::Tensor& pool, int64_t k,
                          std::string* message = nullptr) {
  try {
    top_k(queries, pool, k);
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(TopK, RejectsWhatItCannotRank) {
  const at::Tensor pool = test::random_rows(5, 4, 1);
  EXPECT_EQ(kind_of_failure(pool, pool, 0), ErrorKind::kUsage);
  EXPECT_EQ(kind_of_failure(pool, pool, 6), ErrorKind::kUsage);
  EXPECT_EQ(kind_of_failure(test::random_rows(5, 3, 1), pool, 1), ErrorKind::kData);
}

TEST(TopK, RejectsVectorsThatAreNotFinite) {
  const at::Tensor good = test::random_rows(5000, 4, 1);
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}) {
    const at::Tensor bad = good.clone();
    bad[4711][2] = value;
    std::string message;
    EXPECT_EQ(kind_of_failure(bad, good, 1, &message), ErrorKind::kNumeric);
    EXPECT_NE(message.find("query vector 4711 of 5000"), std::string::npos) << message;
    EXPECT_EQ(kind_of_failure(good, bad, 1, &message), ErrorKind::kNumeric);
    EXPECT_NE(message.find("pool vector 4711"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace paraclip
