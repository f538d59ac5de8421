#include "paraclip/eval/bootstrap.h"

#include "paraclip/base/error.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <numeric>
#include <set>
#include <vector>

namespace paraclip {
namespace {

TEST(PairedBootstrap, EqualDifferencesHaveNoSpread) {
  const std::vector<double> first = {1, 2, 3}, second = {1.5, 2.5, 3.5};
  const Interval interval = paired_bootstrap(first, second, {.resamples = 100});
  EXPECT_DOUBLE_EQ(interval.mean, 0.5);
  EXPECT_DOUBLE_EQ(interval.low, 0.5);
  EXPECT_DOUBLE_EQ(interval.high, 0.5);
  EXPECT_TRUE(interval.excludes_zero());
}

// For many examples the interval is the normal one: mean +- 1.96 standard errors.
TEST(PairedBootstrap, AgreesWithTheNormalIntervalOnManyExamples) {
  std::vector<double> first(4000, 0.0), second(4000);
  for (size_t i = 0; i < second.size(); ++i) {
    second[i] = std::sin(static_cast<double>(i) * 12.9898) * 43.0 + 2.0;
  }
  double mean = 0, square = 0;
  for (const double value : second) mean += value / 4000;
  for (const double value : second) square += (value - mean) * (value - mean) / 4000;
  const double error = std::sqrt(square / 4000);
  const Interval interval = paired_bootstrap(first, second);
  EXPECT_NEAR(interval.mean, mean, 1e-9);
  EXPECT_NEAR(interval.low, mean - 1.96 * error, 0.06 * error);
  EXPECT_NEAR(interval.high, mean + 1.96 * error, 0.06 * error);
}

TEST(PairedBootstrap, ExamplesStayPaired) {
  // The two systems differ little on each example and much between examples.
  std::vector<double> first, second;
  for (int i = 0; i < 200; ++i) {
    first.push_back(i % 2 == 0 ? 0.0 : 100.0);
    second.push_back(first.back() + (i % 4 < 2 ? 0.0 : 1.0));
  }
  const Interval interval = paired_bootstrap(first, second);
  EXPECT_GT(interval.low, 0.4);
  EXPECT_LT(interval.high, 0.6);
}

TEST(PairedBootstrap, IsAFunctionOfTheSeed) {
  const std::vector<double> first = {0, 0, 0, 0, 0}, second = {1, 5, 2, -7, 3};
  const Interval once =
      paired_bootstrap(first, second, {.resamples = 50, .confidence = 0.9, .seed = 7});
  const Interval again =
      paired_bootstrap(first, second, {.resamples = 50, .confidence = 0.9, .seed = 7});
  const Interval other =
      paired_bootstrap(first, second, {.resamples = 50, .confidence = 0.9, .seed = 8});
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
  EXPECT_TRUE(once.low != other.low || once.high != other.high);
  EXPECT_FALSE(once.excludes_zero());
}

TEST(PairedBootstrap, RefusesWhatCannotBeCompared) {
  const std::vector<double> one = {1}, two = {1, 2};
  EXPECT_THROW(paired_bootstrap(one, two), Error);
  EXPECT_THROW(paired_bootstrap({}, {}), Error);
  EXPECT_THROW(paired_bootstrap(one, one, {.resamples = 0}), Error);
  EXPECT_THROW(paired_bootstrap(one, one, {.resamples = 10, .confidence = 1.0}), Error);
}

std::vector<double> bootstrap_means(int64_t threads) {
  const int before = at::get_num_threads();
  at::set_num_threads(static_cast<int>(threads));
  std::vector<double> values;
  for (int i = 0; i < 50; ++i) values.push_back(i * i % 17);
  const Statistic mean = mean_statistic(values);
  const std::vector<int64_t> strata = {20, 30};
  auto means = bootstrap({&mean, 1}, strata, {.resamples = 500})[0];
  at::set_num_threads(before);
  return means;
}

TEST(Bootstrap, IsTheSameOnAnyNumberOfThreads) {
  EXPECT_EQ(bootstrap_means(1), bootstrap_means(2));
}

TEST(Bootstrap, DrawsEachStratumFullyAndFromItsOwnUnits) {
  const std::vector<int64_t> strata = {3, 5};
  std::mutex mutex;
  std::set<std::vector<double>> seen;
  const Statistic record = [&](Weights weights) {
    const std::lock_guard lock(mutex);
    seen.emplace(weights.begin(), weights.end());
    return 0.0;
  };
  bootstrap({&record, 1}, strata, {.resamples = 200});
  EXPECT_GT(seen.size(), 100U);
  for (const auto& weights : seen) {
    ASSERT_EQ(weights.size(), 8U);
    EXPECT_EQ(std::accumulate(weights.begin(), weights.begin() + 3, 0.0), 3);
    EXPECT_EQ(std::accumulate(weights.begin() + 3, weights.end(), 0.0), 5);
  }
}

TEST(Bootstrap, RefusesAnEmptyStratum) {
  const Statistic none = [](Weights) { return 0.0; };
  const std::vector<int64_t> strata = {3, 0};
  EXPECT_THROW(bootstrap({&none, 1}, strata, {}), Error);
  EXPECT_THROW(bootstrap({&none, 1}, {}, {}), Error);
}

TEST(Bootstrap, PValuesCountTheRarerSide) {
  std::vector<double> differences(99, 1.0);
  EXPECT_DOUBLE_EQ(bootstrap_p_value(differences), 0.02);
  differences[0] = differences[1] = -1;
  EXPECT_DOUBLE_EQ(bootstrap_p_value(differences), 0.06);
  EXPECT_DOUBLE_EQ(bootstrap_p_value(std::vector<double>(10, 0.0)), 1);
}

TEST(Bootstrap, HolmStepsDown) {
  // 0.01 x 4, 0.02 x 3, 0.03 x 2 = the one before it, 0.5 x 1.
  const std::vector<double> adjusted = holm_adjusted(std::vector<double>{0.5, 0.01, 0.03, 0.02});
  EXPECT_NEAR(adjusted[1], 0.04, 1e-12);
  EXPECT_NEAR(adjusted[3], 0.06, 1e-12);
  EXPECT_NEAR(adjusted[2], 0.06, 1e-12);
  EXPECT_NEAR(adjusted[0], 0.5, 1e-12);
  EXPECT_EQ(holm_adjusted(std::vector<double>{0.9, 0.8}), (std::vector<double>{1, 1}));
}

}  // namespace
}  // namespace paraclip
