#include "paraclip/eval/statistic.h"

#include "paraclip/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace paraclip {
namespace {

// Numbers in [0, levels): few levels, many ties.
std::vector<double> random_values(size_t count, uint64_t levels, uint64_t seed) {
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = static_cast<double>(mix64(seed * 1'000'000 + i) % levels);
  return values;
}

// Values written out as often as they count.
std::vector<double> repeated(const std::vector<double>& values,
                             const std::vector<double>& weights) {
  std::vector<double> all;
  for (size_t i = 0; i < values.size(); ++i)
    all.insert(all.end(), static_cast<size_t>(weights[i]), values[i]);
  return all;
}

double plain_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double plain_pearson(const std::vector<double>& x, const std::vector<double>& y) {
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - plain_mean(x)) * (x[i] - plain_mean(x));
    yy += (y[i] - plain_mean(y)) * (y[i] - plain_mean(y));
    xy += (x[i] - plain_mean(x)) * (y[i] - plain_mean(y));
  }
  return 100 * xy / std::sqrt(xx * yy);
}

// A rank is one plus how many are smaller, plus half of the others that are equal.
std::vector<double> plain_ranks(const std::vector<double>& values) {
  std::vector<double> ranks;
  for (const double value : values) {
    const auto smaller =
        std::count_if(values.begin(), values.end(), [&](double v) { return v < value; });
    const auto equal = std::count(values.begin(), values.end(), value);
    ranks.push_back(1.0 + static_cast<double>(smaller) + static_cast<double>(equal - 1) / 2);
  }
  return ranks;
}

double plain_median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

TEST(Statistics, WeighUnitsAsIfTheyWereThereSoOften) {
  for (const uint64_t levels : {3U, 1'000'000U}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto x = random_values(40, levels, seed), y = random_values(40, levels, seed + 100);
      const auto weights = random_values(40, 4, seed + 200);
      const auto all_x = repeated(x, weights), all_y = repeated(y, weights);
      EXPECT_NEAR(mean_statistic(x)(weights), plain_mean(all_x), 1e-6);
      EXPECT_NEAR(median_statistic(x)(weights), plain_median(all_x), 1e-9);
      EXPECT_NEAR(pearson_statistic(x, y)(weights), plain_pearson(all_x, all_y), 1e-9);
      EXPECT_NEAR(spearman_statistic(x, y)(weights),
                  plain_pearson(plain_ranks(all_x), plain_ranks(all_y)), 1e-9);
    }
  }
}

TEST(Statistics, RanksOfTiesAreTheirMean) {
  const std::vector<double> values = {5, 1, 5, 3, 5};
  EXPECT_EQ(average_ranks(values), (std::vector<double>{4, 1, 4, 2, 4}));
}

// Ranks by order alone, which breaks ties by place, give another number.
TEST(Statistics, SpearmanSharesRanksOfTies) {
  const std::vector<double> x = {1, 1, 1, 2}, y = {4, 3, 2, 1};
  const double by_place = plain_pearson({1, 2, 3, 4}, {4, 3, 2, 1});
  EXPECT_NEAR(spearman(x, y), plain_pearson({2, 2, 2, 4}, {4, 3, 2, 1}), 1e-9);
  EXPECT_GT(std::abs(spearman(x, y) - by_place), 1);
}

TEST(Statistics, WhatDoesNotVaryHasNoCorrelation) {
  EXPECT_EQ(spearman(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3}), 0);
  EXPECT_EQ(pearson_statistic(std::vector<double>{1, 2},
                              std::vector<double>{1, 2})(std::vector<double>{2, 0}),
            0);
}

TEST(Statistics, MeansGatherTheExamplesOfAUnit) {
  const std::vector<double> values = {100, 0, 0, 60};
  const std::vector<int64_t> units = {0, 0, 0, 1};
  EXPECT_DOUBLE_EQ(mean_statistic(values, units)(std::vector<double>{1, 1}), 40);
  EXPECT_DOUBLE_EQ(mean_statistic(values, units)(std::vector<double>{0, 2}), 60);
  EXPECT_DOUBLE_EQ(median_statistic(values, units)(std::vector<double>{1, 1}), 30);
  EXPECT_DOUBLE_EQ(median_statistic(values, units)(std::vector<double>{2, 1}), 0);
}

// Values of late units alone.
TEST(Statistics, MeansOfASubsetReadItsUnits) {
  const std::vector<double> values = {10, 30};
  const std::vector<int64_t> units = {3, 5};
  const Statistic mean = mean_statistic(values, units);
  EXPECT_DOUBLE_EQ(mean(std::vector<double>{9, 9, 9, 1, 9, 1, 9}), 20);
  EXPECT_DOUBLE_EQ(mean(std::vector<double>{9, 9, 9, 1, 9, 3, 9}), 25);
  EXPECT_DOUBLE_EQ(mean(std::vector<double>{9, 9, 9, 0, 9, 0, 9}), 0);
}

TEST(Statistics, MacroMeanWeighsGroupsAlike) {
  const std::vector<double> values = {100, 100, 100, 0, 50};
  const std::vector<int64_t> groups = {0, 0, 0, 1, -1};
  const std::vector<double> once(5, 1.0);
  EXPECT_DOUBLE_EQ(macro_mean_statistic(values, groups)(once), 50);
  EXPECT_DOUBLE_EQ(mean_statistic(values)(once), 70);  // The micro average, with what is left out.
  EXPECT_DOUBLE_EQ(macro_mean_statistic(values, groups)(std::vector<double>{1, 1, 1, 0, 1}), 100);
}

TEST(Statistics, CombinedStatisticsAreWeightedMeans) {
  const std::vector<double> low = {10}, high = {40};
  const std::vector<Statistic> parts = {mean_statistic(low), mean_statistic(high)};
  const std::vector<double> once = {1};
  EXPECT_DOUBLE_EQ(combined_statistic(parts)(once), 25);
  EXPECT_DOUBLE_EQ(combined_statistic(parts, {1, 2})(once), 30);
}

// The correlation of a subset looks at its own units.
TEST(Statistics, CorrelationsStartAtTheirFirstUnit) {
  const std::vector<double> x = {1, 2, 3}, y = {1, 3, 2};
  const std::vector<double> weights = {7, 7, 1, 1, 1};
  EXPECT_NEAR(spearman_statistic(x, y, 2)(weights), spearman(x, y), 1e-12);
  EXPECT_NEAR(pearson_statistic(x, y, 2)(weights), plain_pearson(x, y), 1e-12);
}

}  // namespace
}  // namespace paraclip
