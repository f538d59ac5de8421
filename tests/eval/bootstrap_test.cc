#include "paraclip/eval/bootstrap.h"

#include "paraclip/base/error.h"

#include <gtest/gtest.h>

#include <cmath>
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

}  // namespace
}  // namespace paraclip
