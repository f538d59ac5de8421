#pragma once

#include "paraclip/eval/html.h"

#include <optional>
#include <string>
#include <vector>

namespace paraclip::html {

struct Point {
  double x = 0;
  double y = 0;
};

struct Series {
  std::string label;
  std::vector<Point> points;  ///< By ascending x, all finite.
};

/// The number of series that can be told apart without colour, by dashes and markers.
inline constexpr size_t kMaxSeries = 6;

/// Lines over a common axis.
struct LineChart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series = {};
  bool from_zero = false;  ///< The vertical axis holds 0, and a line marks it.
};

/// A figure with the chart as SVG, its legend, and in words where each line starts and ends. Throws
/// kUsage unless there are 1 to kMaxSeries series, each with a point.
Html line_chart(const LineChart& chart);

/// An estimate and the interval around it.
struct Interval {
  std::string label;
  double value = 0;
  double low = 0;
  double high = 0;
};

/// What several things reached.
struct BarGroup {
  std::string label;
  std::vector<Interval> bars;    ///< One for each series, which names it; the label is not shown.
  std::optional<double> chance;  ///< What guessing gives: a tick across the bars.
};

/// Bars from 0 with their intervals, group below group over one axis.
struct BarChart {
  std::string title;
  std::string x_label;
  std::vector<std::string> series;  ///< One or two names.
  std::vector<BarGroup> groups = {};
};

/// A figure with the chart as SVG and its legend: the last series is filled, one before it hollow.
/// Throws kUsage unless there are one or two series, a group, a bar for each series in each, and
/// all numbers are finite.
Html bar_chart(const BarChart& chart);

/// A figure of dots with their intervals over one axis that holds 0. A filled dot: the interval
/// leaves 0 out. Throws kUsage if there are none or a number is not finite.
Html interval_chart(const std::string& title, const std::string& x_label,
                    const std::vector<Interval>& intervals);

}  // namespace paraclip::html
