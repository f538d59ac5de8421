#include "paraclip/eval/html_chart.h"

#include "paraclip/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace paraclip::html {
namespace {

// In units of the drawing, which is about as wide as a phone, so that its letters stay readable
// there.
constexpr double kWidth = 420;
constexpr double kHeight = 250;
constexpr double kLeft = 42;
constexpr double kRight = 12;
constexpr double kTop = 24;
constexpr double kBottom = 38;

std::string coordinate(double value) { return fmt::format("{:.1f}", value); }

// An axis from `low` to `high` with marks at multiples of `step`.
struct Axis {
  double low = 0;
  double high = 1;
  double step = 1;

  // About `count` steps of 1, 2 or 5 times a power of ten. Widened to whole steps if `whole`.
  Axis(double from, double to, int count, bool whole) : low(from), high(to) {
    if (high <= low) {
      low -= 0.5;
      high += 0.5;
    }
    const double rough = (high - low) / count;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    const double digit = rough / power;
    step = power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
    if (!whole) return;
    low = std::floor(low / step) * step;
    high = std::ceil(high / step) * step;
  }

  int decimals() const { return std::max(0, static_cast<int>(-std::floor(std::log10(step)))); }

  std::vector<double> ticks() const {
    std::vector<double> ticks;
    for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) {
      ticks.push_back(i * step);
    }
    return ticks;
  }

  double share(double value) const { return (value - low) / (high - low); }
};

Html line(double x1, double y1, double x2, double y2, std::string_view style) {
  return element("line", {{"class", std::string(style)},
                          {"x1", coordinate(x1)},
                          {"y1", coordinate(y1)},
                          {"x2", coordinate(x2)},
                          {"y2", coordinate(y2)}});
}

Html label(double x, double y, std::string_view anchor, std::string_view words) {
  return element("text",
                 {{"x", coordinate(x)}, {"y", coordinate(y)}, {"text-anchor", std::string(anchor)}},
                 text(words));
}

Html drawing(double width, double height, std::string_view description, const Html& content) {
  return element("svg",
                 {{"class", "chart"},
                  {"viewBox", fmt::format("0 0 {} {}", width, height)},
                  {"role", "img"},
                  {"aria-label", std::string(description)}},
                 content);
}

constexpr std::array<std::string_view, kMaxSeries> kDashes = {"none", "7 4",     "2 3",
                                                              "none", "9 3 2 3", "4 2"};

// Each series has a shape of its own, filled or hollow as the style sheet says for its class.
Html marker(size_t series, double x, double y) {
  constexpr std::array<std::string_view, kMaxSeries> kPaths = {
      "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0z",
      "M-3.2 -3.2h6.4v6.4h-6.4z",
      "M0 -4.4l4.2 7.6h-8.4z",
      "M0 -4.6l4.6 4.6l-4.6 4.6l-4.6 -4.6z",
      "M0 4.4l4.2 -7.6h-8.4z",
      "M-3.6 -3.6l7.2 7.2m0 -7.2l-7.2 7.2"};
  return element("path", {{"class", "marker"},
                          {"transform", fmt::format("translate({:.1f} {:.1f})", x, y)},
                          {"d", std::string(kPaths[series])}});
}

Html group(size_t series, const Html& content) {
  return element("g", {{"class", fmt::format("series-{}", series + 1)}}, content);
}

// Where the points of a line chart lie in its drawing.
struct Frame {
  Axis x;
  Axis y;

  double across(double value) const { return kLeft + x.share(value) * (kWidth - kLeft - kRight); }
  double down(double value) const {
    return kHeight - kBottom - y.share(value) * (kHeight - kTop - kBottom);
  }
};

Frame frame(const LineChart& chart) {
  const Point& any = chart.series.front().points.front();
  Point low = any;
  Point high = any;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) {
      low = {std::min(low.x, point.x), std::min(low.y, point.y)};
      high = {std::max(high.x, point.x), std::max(high.y, point.y)};
    }
  }
  if (chart.from_zero) {
    low.y = std::min(low.y, 0.0);
    high.y = std::max(high.y, 0.0);
  }
  return {Axis(low.x, high.x, /*count=*/6, /*whole=*/false),
          Axis(low.y, high.y, /*count=*/5, /*whole=*/true)};
}

Html axes(const LineChart& chart, const Frame& frame) {
  const double right = kWidth - kRight;
  const double bottom = kHeight - kBottom;
  Html drawn = label(0, 12, "start", chart.y_label);
  for (const double tick : frame.y.ticks()) {
    const double y = frame.down(tick);
    const bool zero = chart.from_zero && std::abs(tick) < frame.y.step / 2;
    drawn += line(kLeft, y, right, y, zero ? "zero" : "grid");
    const int decimals = frame.y.decimals();
    drawn += label(kLeft - 6, y + 4, "end",
                   chart.from_zero ? signed_number(tick, decimals) : number(tick, decimals));
  }
  for (const double tick : frame.x.ticks()) {
    const double x = frame.across(tick);
    drawn += line(x, bottom, x, bottom + 4, "axis");
    drawn += label(x, bottom + 17, "middle", number(tick, frame.x.decimals()));
  }
  drawn += line(kLeft, bottom, right, bottom, "axis");
  return drawn + label(right, kHeight - 4, "end", chart.x_label);
}

Html curve(const Series& series, size_t index, const Frame& frame) {
  constexpr size_t kMaxMarkers = 8;
  // Lines that lie on one another carry their markers at different places.
  const size_t stride = (series.points.size() + kMaxMarkers - 1) / kMaxMarkers;
  const size_t first = stride * index / kMaxSeries;
  std::string path;
  Html markers;
  for (size_t i = 0; i < series.points.size(); ++i) {
    const double x = frame.across(series.points[i].x);
    const double y = frame.down(series.points[i].y);
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", x, y);
    if (i % stride == first) markers += marker(index, x, y);
  }
  return group(index, element("path", {{"class", "curve"},
                                       {"stroke-dasharray", std::string(kDashes[index])},
                                       {"d", path}}) +
                          markers);
}

std::string course(const Series& series, const LineChart& chart) {
  const auto words = [&](double value) {
    return chart.from_zero ? signed_number(value, 1) : number(value, 2);
  };
  return fmt::format("{} to {}", words(series.points.front().y), words(series.points.back().y));
}

Html legend(const LineChart& chart) {
  Html items;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const Html sample = element("path", {{"class", "curve"},
                                         {"stroke-dasharray", std::string(kDashes[i])},
                                         {"d", "M0 7L34 7"}}) +
                        marker(i, 17, 7);
    items += element(
        "li",
        element("svg", {{"class", "sample"}, {"viewBox", "0 0 34 14"}, {"aria-hidden", "true"}},
                group(i, sample)) +
            text(chart.series[i].label + " ") +
            element("span", {{"class", "quiet"}}, text(course(chart.series[i], chart))));
  }
  return element("ul", {{"class", "legend"}}, items);
}

// The part of an interval chart that an axis spans.
double across(const Axis& axis, double value) {
  constexpr double kEdge = 16;
  return kEdge + axis.share(value) * (kWidth - 2 * kEdge);
}

Html interval_row(const Interval& interval, const Axis& axis) {
  constexpr double kRow = 26;
  constexpr double kMiddle = kRow / 2;
  const double low = across(axis, interval.low);
  const double high = across(axis, interval.high);
  const bool clear = interval.low > 0 || interval.high < 0;
  const Html drawn = line(across(axis, 0), 0, across(axis, 0), kRow, "zero") +
                     line(low, kMiddle - 5, low, kMiddle + 5, "whisker") +
                     line(high, kMiddle - 5, high, kMiddle + 5, "whisker") +
                     line(low, kMiddle, high, kMiddle, "whisker") +
                     element("circle", {{"class", clear ? "dot" : "dot hollow"},
                                        {"cx", coordinate(across(axis, interval.value))},
                                        {"cy", coordinate(kMiddle)},
                                        {"r", "5"}});
  const std::string value = signed_number(interval.value, 1);
  return element("p", {{"class", "interval"}},
                 text(interval.label + " ") + element("span", {{"class", "quiet"}}, text(value))) +
         drawing(kWidth, kRow,
                 fmt::format("{}: {}, interval {}", interval.label, value,
                             range(interval.low, interval.high, 1)),
                 drawn);
}

using TickText = std::string (*)(double value, int decimals);

Html scale(const Axis& axis, const std::string& x_label, TickText tick_text) {
  Html drawn = line(across(axis, axis.low), 0, across(axis, axis.high), 0, "axis");
  for (const double tick : axis.ticks()) {
    const double x = across(axis, tick);
    drawn += line(x, 0, x, 4, "axis");
    drawn += label(x, 17, "middle", tick_text(tick, axis.decimals()));
  }
  drawn += label(across(axis, axis.high), 34, "end", x_label);
  return drawing(kWidth, 38, x_label, drawn);
}

constexpr double kBar = 9;
constexpr double kBarStep = 14;

Html bar(const Interval& interval, double top, bool filled, const Axis& axis) {
  const double zero = across(axis, 0);
  const double end = across(axis, interval.value);
  const double low = across(axis, interval.low);
  const double high = across(axis, interval.high);
  const double middle = top + kBar / 2;
  // The whisker over a filled bar is drawn in two tones, so that it shows inside and outside.
  const auto whisker = [&](const char* style) {
    return line(low, middle - 3.5, low, middle + 3.5, style) +
           line(high, middle - 3.5, high, middle + 3.5, style) +
           line(low, middle, high, middle, style);
  };
  return element("rect", {{"class", filled ? "bar" : "bar hollow"},
                          {"x", coordinate(std::min(zero, end))},
                          {"y", coordinate(top)},
                          {"width", coordinate(std::max(1.0, std::abs(end - zero)))},
                          {"height", coordinate(kBar)}}) +
         whisker("halo") + whisker("bar-whisker");
}

std::string bar_words(const Interval& interval) {
  return fmt::format("{} ({} to {})", number(interval.value, 1), number(interval.low, 1),
                     number(interval.high, 1));
}

Html bar_group(const BarChart& chart, const BarGroup& group, const Axis& axis) {
  const double height = kBarStep * static_cast<double>(group.bars.size());
  Html drawn = line(across(axis, 0), 0, across(axis, 0), height, "axis");
  std::string words, description = group.label;
  for (size_t i = 0; i < group.bars.size(); ++i) {
    const bool last = i + 1 == group.bars.size();
    drawn +=
        bar(group.bars[i], kBarStep * static_cast<double>(i) + (kBarStep - kBar) / 2, last, axis);
    words += fmt::format("{}{}", words.empty() ? "" : " \u2192 ", number(group.bars[i].value, 1));
    description += fmt::format(", {}: {}", chart.series[i], bar_words(group.bars[i]));
  }
  if (group.chance) {
    const double x = across(axis, *group.chance);
    drawn += line(x, 0, x, height, "halo") + line(x, 0, x, height, "chance");
    description += fmt::format(", chance: {}", number(*group.chance, 1));
  }
  return element(
      "div", {{"class", "bar-group"}},
      element("p", {{"class", "interval"}},
              text(group.label + " ") + element("span", {{"class", "quiet"}}, text(words))) +
          drawing(kWidth, height, description, drawn));
}

Html bar_legend(const BarChart& chart) {
  const auto item = [](const Html& drawn, const std::string& words) {
    return element(
        "li",
        element("svg", {{"class", "sample"}, {"viewBox", "0 0 34 14"}, {"aria-hidden", "true"}},
                drawn) +
            text(words));
  };
  Html items;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const bool last = i + 1 == chart.series.size();
    items += item(element("rect", {{"class", last ? "bar" : "bar hollow"},
                                   {"x", "1"},
                                   {"y", "3"},
                                   {"width", "32"},
                                   {"height", "9"}}),
                  chart.series[i]);
  }
  if (std::ranges::any_of(chart.groups, [](const BarGroup& group) { return !!group.chance; })) {
    items += item(line(17, 0, 17, 14, "chance"), "chance");
  }
  return element("ul", {{"class", "legend"}}, items);
}

void check(const BarChart& chart) {
  const auto finite = [](const Interval& one) {
    return std::isfinite(one.value) && std::isfinite(one.low) && std::isfinite(one.high);
  };
  const bool good = std::ranges::all_of(chart.groups, [&](const BarGroup& group) {
    return group.bars.size() == chart.series.size() && std::ranges::all_of(group.bars, finite) &&
           std::isfinite(group.chance.value_or(0));
  });
  if (good && !chart.groups.empty() && !chart.series.empty() && chart.series.size() <= 2) return;
  fail(ErrorKind::kUsage,
       "cannot draw the chart \"{}\": expected 1 or 2 series, found {}, and a finite bar for each "
       "in "
       "each of its {} groups",
       chart.title, chart.series.size(), chart.groups.size());
}

std::string described(const LineChart& chart) {
  std::string words = chart.title + ".";
  for (const Series& series : chart.series) {
    words +=
        fmt::format(" {}: {} from {} {} to {}.", series.label, course(series, chart), chart.x_label,
                    number(series.points.front().x, 0), number(series.points.back().x, 0));
  }
  return words;
}

}  // namespace

Html line_chart(const LineChart& chart) {
  if (chart.series.empty() || chart.series.size() > kMaxSeries) {
    fail(ErrorKind::kUsage, "cannot draw the chart \"{}\": it has {} series, expected 1 to {}",
         chart.title, chart.series.size(), kMaxSeries);
  }
  for (const Series& series : chart.series) {
    if (series.points.empty()) {
      fail(ErrorKind::kUsage, "cannot draw the chart \"{}\": the series \"{}\" has no points",
           chart.title, series.label);
    }
  }
  const Frame places = frame(chart);
  Html drawn = axes(chart, places);
  for (size_t i = 0; i < chart.series.size(); ++i) drawn += curve(chart.series[i], i, places);
  return element("figure", element("figcaption", text(chart.title)) +
                               drawing(kWidth, kHeight, described(chart), drawn) + legend(chart)) +
         Html::raw("\n");
}

Html interval_chart(const std::string& title, const std::string& x_label,
                    const std::vector<Interval>& intervals) {
  if (intervals.empty()) {
    fail(ErrorKind::kUsage, "cannot draw the chart \"{}\": it has no intervals", title);
  }
  double low = 0;
  double high = 0;
  for (const Interval& interval : intervals) {
    if (!std::isfinite(interval.low + interval.value + interval.high)) {
      fail(ErrorKind::kUsage, "cannot draw the chart \"{}\": a number of \"{}\" is not finite",
           title, interval.label);
    }
    low = std::min({low, interval.low, interval.value});
    high = std::max({high, interval.high, interval.value});
  }
  const Axis axis(low, high, /*count=*/6, /*whole=*/true);
  Html rows;
  for (const Interval& interval : intervals) rows += interval_row(interval, axis);
  return element("figure",
                 element("figcaption", text(title)) + rows + scale(axis, x_label, &signed_number)) +
         Html::raw("\n");
}

Html bar_chart(const BarChart& chart) {
  check(chart);
  double low = 0;
  double high = 0;
  for (const BarGroup& group : chart.groups) {
    for (const Interval& one : group.bars) {
      low = std::min({low, one.low, one.value});
      high = std::max({high, one.high, one.value});
    }
    low = std::min(low, group.chance.value_or(0));
    high = std::max(high, group.chance.value_or(0));
  }
  const Axis axis(low, high, /*count=*/6, /*whole=*/true);
  Html rows;
  for (const BarGroup& group : chart.groups) rows += bar_group(chart, group, axis);
  return element("figure", element("figcaption", text(chart.title)) + bar_legend(chart) + rows +
                               scale(axis, chart.x_label, &number)) +
         Html::raw("\n");
}

}  // namespace paraclip::html
