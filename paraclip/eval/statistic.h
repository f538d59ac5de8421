#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace paraclip {

/// How often each unit of a benchmark counts: 1 each for the metric itself, what was drawn for a
/// resample. A unit is what examples are drawn by: one example, or all captions of an image.
using Weights = std::span<const double>;

/// A metric as a function of the weights of its units. Pure; may be called from many threads.
using Statistic = std::function<double(Weights weights)>;

/// The mean of `values`; value i belongs to unit `units[i]`, or to unit i where `units` is empty.
/// 0 where nothing counts.
Statistic mean_statistic(std::span<const double> values, std::span<const int64_t> units = {});

/// The unweighted mean over groups of the mean of each group's `values` (macro average). Value i
/// is of unit i and of group `groups[i]`, numbered from 0; a group below 0 leaves it out. Groups of
/// which nothing counts are left out.
Statistic macro_mean_statistic(std::span<const double> values, std::span<const int64_t> groups);

/// The median of `values`, value i of unit `units[i]` (or i): the mean of the two middle ones where
/// their number is even.
Statistic median_statistic(std::span<const double> values, std::span<const int64_t> units = {});

/// 100 times Spearman's rank correlation of x and y, whose ties share the mean of their ranks; pair
/// i is of unit `first_unit` + i. 0 where one of them doesn't vary.
Statistic spearman_statistic(std::span<const double> x, std::span<const double> y,
                             int64_t first_unit = 0);

/// 100 times Pearson's correlation, likewise.
Statistic pearson_statistic(std::span<const double> x, std::span<const double> y,
                            int64_t first_unit = 0);

/// The mean of other statistics, each counted `shares` times (all alike where that is empty).
Statistic combined_statistic(std::vector<Statistic> parts, std::vector<double> shares = {});

/// 100 times Spearman's rank correlation of two lists of numbers, all counted once.
double spearman(std::span<const double> x, std::span<const double> y);

/// The ranks of `values` from 1 on, ties sharing the mean of their ranks.
std::vector<double> average_ranks(std::span<const double> values);

}  // namespace paraclip
