#include "paraclip/eval/statistic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

namespace paraclip {
namespace {

size_t unit_of(std::span<const int64_t> units, size_t i) {
  return units.empty() ? i : static_cast<size_t>(units[i]);
}

// What all values of a unit add to a sum and to the number of values: a mean over examples needs
// one pass over their units, and that of a subset over no others.
struct UnitSums {
  size_t first = 0;  // The unit that sums[0] belongs to.
  std::vector<double> sums, counts;

  UnitSums(std::span<const double> values, std::span<const int64_t> units) {
    if (values.empty()) return;
    size_t last = values.size() - 1;
    if (!units.empty()) {
      const auto [low, high] = std::minmax_element(units.begin(), units.end());
      first = static_cast<size_t>(*low);
      last = static_cast<size_t>(*high);
    }
    sums.resize(last - first + 1);
    counts.resize(sums.size());
    for (size_t i = 0; i < values.size(); ++i) {
      sums[unit_of(units, i) - first] += values[i];
      counts[unit_of(units, i) - first] += 1;
    }
  }
};

std::vector<size_t> ascending(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] < values[b]; });
  return order;
}

// Whether values differ.
struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool varies() const { return low < high; }
};

double correlation_percent(Weights weights, std::span<const double> x, std::span<const double> y) {
  double total = 0, mean_x = 0, mean_y = 0;
  Extent extent_x, extent_y;
  for (size_t i = 0; i < x.size(); ++i) {
    if (weights[i] == 0) continue;
    extent_x.add(x[i]);
    extent_y.add(y[i]);
    total += weights[i];
    mean_x += weights[i] * x[i];
    mean_y += weights[i] * y[i];
  }
  // Told by the values: the sums below hold what rounding the means has left.
  if (!extent_x.varies() || !extent_y.varies()) return 0;
  mean_x /= total;
  mean_y /= total;
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x;
    const double dy = y[i] - mean_y;
    xx += weights[i] * dx * dx;
    yy += weights[i] * dy * dy;
    xy += weights[i] * dx * dy;
  }
  return 100 * xy / (std::sqrt(xx) * std::sqrt(yy));
}

// Ranks of values that count several times: sorted once, ranked anew for any weights in one pass.
class WeightedRanks {
 public:
  explicit WeightedRanks(std::span<const double> values) : order_(ascending(values)) {
    for (size_t i = 0; i < order_.size(); ++i) {
      if (i == 0 || values[order_[i]] != values[order_[i - 1]]) groups_.push_back(i);
    }
    groups_.push_back(order_.size());
  }

  void write(Weights weights, std::span<double> ranks) const {
    double before = 0;
    for (size_t group = 0; group + 1 < groups_.size(); ++group) {
      double weight = 0;
      for (size_t i = groups_[group]; i < groups_[group + 1]; ++i) weight += weights[order_[i]];
      const double rank = before + (weight + 1) / 2;
      for (size_t i = groups_[group]; i < groups_[group + 1]; ++i) ranks[order_[i]] = rank;
      before += weight;
    }
  }

 private:
  std::vector<size_t> order_;
  std::vector<size_t> groups_;  // Where each group of equal values begins in order_, and its end.
};

}  // namespace

Statistic mean_statistic(std::span<const double> values, std::span<const int64_t> units) {
  return [units = UnitSums(values, units)](Weights weights) {
    double sum = 0, count = 0;
    for (size_t i = 0; i < units.sums.size(); ++i) {
      sum += weights[units.first + i] * units.sums[i];
      count += weights[units.first + i] * units.counts[i];
    }
    return count > 0 ? sum / count : 0;
  };
}

Statistic macro_mean_statistic(std::span<const double> values, std::span<const int64_t> groups) {
  const int64_t last = groups.empty() ? -1 : *std::max_element(groups.begin(), groups.end());
  return [values = std::vector<double>(values.begin(), values.end()),
          groups = std::vector<int64_t>(groups.begin(), groups.end()),
          count = static_cast<size_t>(last + 1)](Weights weights) {
    std::vector<double> sums(count), counts(count);
    for (size_t i = 0; i < values.size(); ++i) {
      if (groups[i] < 0) continue;
      sums[static_cast<size_t>(groups[i])] += weights[i] * values[i];
      counts[static_cast<size_t>(groups[i])] += weights[i];
    }
    double sum = 0, filled = 0;
    for (size_t group = 0; group < count; ++group) {
      if (counts[group] == 0) continue;
      sum += sums[group] / counts[group];
      filled += 1;
    }
    return filled > 0 ? sum / filled : 0;
  };
}

Statistic median_statistic(std::span<const double> values, std::span<const int64_t> units) {
  const std::vector<size_t> order = ascending(values);
  std::vector<std::pair<double, size_t>> sorted;  // Values with their units.
  for (const size_t i : order) sorted.emplace_back(values[i], unit_of(units, i));
  return [sorted](Weights weights) {
    double total = 0;
    for (const auto& [value, unit] : sorted) total += weights[unit];
    // The middle two of `total` values counted from 1 (the same one where their number is odd).
    const double low = std::floor((total + 1) / 2), high = std::ceil((total + 1) / 2);
    double seen = 0, below = 0;
    bool found = false;
    for (const auto& [value, unit] : sorted) {
      seen += weights[unit];
      if (!found && seen >= low && weights[unit] > 0) {
        below = value;
        found = true;
      }
      if (found && seen >= high) return (below + value) / 2;
    }
    return 0.0;
  };
}

Statistic spearman_statistic(std::span<const double> x, std::span<const double> y,
                             int64_t first_unit) {
  const auto ranks_x = std::make_shared<const WeightedRanks>(x);
  const auto ranks_y = std::make_shared<const WeightedRanks>(y);
  return [ranks_x, ranks_y, first = static_cast<size_t>(first_unit),
          count = x.size()](Weights weights) {
    const Weights own = weights.subspan(first, count);
    std::vector<double> of_x(count), of_y(count);
    ranks_x->write(own, of_x);
    ranks_y->write(own, of_y);
    return correlation_percent(own, of_x, of_y);
  };
}

Statistic pearson_statistic(std::span<const double> x, std::span<const double> y,
                            int64_t first_unit) {
  return [x = std::vector<double>(x.begin(), x.end()), y = std::vector<double>(y.begin(), y.end()),
          first = static_cast<size_t>(first_unit)](Weights weights) {
    return correlation_percent(weights.subspan(first, x.size()), x, y);
  };
}

Statistic combined_statistic(std::vector<Statistic> parts, std::vector<double> shares) {
  if (shares.empty()) shares.assign(parts.size(), 1.0);
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= total;
  return [parts = std::move(parts), shares = std::move(shares)](Weights weights) {
    double sum = 0;
    for (size_t i = 0; i < parts.size(); ++i) sum += shares[i] * parts[i](weights);
    return sum;
  };
}

double spearman(std::span<const double> x, std::span<const double> y) {
  return spearman_statistic(x, y)(std::vector<double>(x.size(), 1.0));
}

std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<double> ranks(values.size());
  WeightedRanks(values).write(std::vector<double>(values.size(), 1.0), ranks);
  return ranks;
}

}  // namespace paraclip
