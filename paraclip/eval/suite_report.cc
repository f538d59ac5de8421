#include "paraclip/eval/suite_report.h"

#include "paraclip/eval/html.h"
#include "paraclip/eval/html_chart.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/suite_report_examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace paraclip {
namespace {

using html::element;
using html::Html;
using html::paragraph;
using html::section;
using html::small_print;
using html::text;

constexpr std::string_view kDash = "\u2013";
constexpr size_t kMaxRows = 24;  // Of a chart: more of them nobody compares by eye.

bool is_finite(const Interval& interval) {
  return std::isfinite(interval.mean) && std::isfinite(interval.low) &&
         std::isfinite(interval.high);
}

std::string shown(double value) {
  return std::isfinite(value) ? html::number(value, 2) : std::string(kDash);
}

std::string shown_signed(double value) {
  return std::isfinite(value) ? html::signed_number(value, 2) : std::string(kDash);
}

// The value with its interval below or beside it.
Html value_cell(const Interval& interval) {
  return element("span", text(shown(interval.mean)) +
                             element("small", text(fmt::format("{} to {}", shown(interval.low),
                                                               shown(interval.high)))));
}

std::string_view sign_of(const MetricResult& metric) {
  const Interval& difference = metric.comparison->difference;
  if (!is_finite(difference)) return kDash;
  return html::verdict(difference.low, difference.high, metric.higher_is_better).sign;
}

Html difference_cell(const MetricResult& metric) {
  const Interval& difference = metric.comparison->difference;
  return element("span",
                 text(fmt::format("{} {}", sign_of(metric), shown_signed(difference.mean))) +
                     element("small", text(fmt::format("{} to {}", shown_signed(difference.low),
                                                       shown_signed(difference.high)))));
}

std::string p_text(double p) {
  if (!std::isfinite(p)) return std::string(kDash);
  return p < 0.0001 ? "< 0.0001" : fmt::format("{:.4f}", p);
}

std::string metric_remarks(const MetricResult& metric) {
  std::string words;
  if (!metric.higher_is_better) words = "lower is better";
  if (metric.chance >= 0 && std::isfinite(metric.chance)) {
    words += fmt::format("{}chance {}", words.empty() ? "" : ", ", html::number(metric.chance, 1));
  }
  return words;
}

Html metric_name(const MetricResult& metric, const std::string& benchmark) {
  Html name = text(metric.name);
  if (!benchmark.empty()) name += element("small", text(benchmark));
  const std::string remarks = metric_remarks(metric);
  return remarks.empty() ? name : name + element("small", text(remarks));
}

std::string percent(double confidence) { return fmt::format("{:.4g}\u00a0%", 100 * confidence); }

std::string anchor(size_t benchmark) { return fmt::format("benchmark-{}", benchmark + 1); }

// A metric and the benchmark that it is of.
struct Row {
  const MetricResult* metric;
  std::string benchmark;  // Empty where all rows are of one.
};

// `adjusted`: the last column has Holm's p-values, otherwise plain ones.
Html metric_table(const SuiteReport& report, const std::string& caption,
                  const std::vector<Row>& rows, bool adjusted) {
  html::Table table{.caption = caption, .columns = {{"Metric"}}, .stacked = true};
  const bool compared = !report.baseline.empty();
  if (compared) table.columns.push_back({"Baseline", /*numeric=*/true});
  table.columns.push_back({"Model", /*numeric=*/true});
  if (compared) {
    table.columns.push_back({"Difference", /*numeric=*/true});
    table.columns.push_back({adjusted ? "p, adjusted" : "p", /*numeric=*/true});
  }
  for (const Row& row : rows) {
    const MetricResult& metric = *row.metric;
    std::vector<Html> cells = {metric_name(metric, row.benchmark)};
    if (compared && !metric.comparison) {
      cells.insert(cells.end(), {text(kDash), value_cell(metric.value), text(kDash), text(kDash)});
    } else if (compared) {
      const Comparison& comparison = *metric.comparison;
      cells.push_back(value_cell(comparison.baseline));
      cells.push_back(value_cell(metric.value));
      cells.push_back(difference_cell(metric));
      cells.push_back(text(p_text(adjusted ? comparison.adjusted_p : comparison.p_value)));
    } else {
      cells.push_back(value_cell(metric.value));
    }
    table.rows.push_back(std::move(cells));
  }
  const Html made = html::table(table);
  return compared ? made : element("div", {{"class", "narrow"}}, made);
}

std::string row_label(const Row& row) {
  return row.benchmark.empty() ? row.metric->name
                               : fmt::format("{}: {}", row.benchmark, row.metric->name);
}

// The rows that a chart shows, and a remark on those that it leaves to the table.
struct Charted {
  std::vector<Row> rows;
  Html remark;
};

Charted charted(const std::vector<Row>& all, bool compared) {
  Charted result;
  size_t others = 0;
  for (const Row& row : all) {
    const MetricResult& metric = *row.metric;
    const bool drawable =
        metric.higher_is_better && is_finite(metric.value) &&
        (!compared || (metric.comparison && is_finite(metric.comparison->baseline) &&
                       is_finite(metric.comparison->difference)));
    if (drawable && result.rows.size() < kMaxRows) {
      result.rows.push_back(row);
    } else {
      ++others;
    }
  }
  if (others > 0 && !result.rows.empty()) {
    result.remark = small_print(
        fmt::format("The table has {} more that the chart does not show: it holds at most {}, none "
                    "for which lower is better, and no undefined numbers.",
                    others, kMaxRows));
  }
  return result;
}

html::Interval drawn(const Interval& interval, std::string label = "") {
  return {std::move(label), interval.mean, interval.low, interval.high};
}

Html difference_chart(const std::vector<Row>& all) {
  const Charted chart = charted(all, /*compared=*/true);
  if (chart.rows.empty()) return {};
  std::vector<html::Interval> intervals;
  for (const Row& row : chart.rows) {
    intervals.push_back(drawn(row.metric->comparison->difference, row_label(row)));
  }
  return html::interval_chart("Model less baseline: right of the dashed line is better", "points",
                              intervals) +
         chart.remark;
}

Html value_chart(const SuiteReport& report, const std::string& title, const std::vector<Row>& all) {
  const bool compared = !report.baseline.empty();
  const Charted chosen = charted(all, compared);
  if (chosen.rows.empty()) return {};
  html::BarChart chart{.title = title, .x_label = "percent", .series = {"model"}};
  if (compared) chart.series.insert(chart.series.begin(), "baseline");
  for (const Row& row : chosen.rows) {
    html::BarGroup group{.label = row_label(row), .bars = {}, .chance = {}};
    if (compared) group.bars.push_back(drawn(row.metric->comparison->baseline));
    group.bars.push_back(drawn(row.metric->value));
    if (row.metric->chance >= 0 && std::isfinite(row.metric->chance)) {
      group.chance = row.metric->chance;
    }
    chart.groups.push_back(std::move(group));
  }
  return html::bar_chart(chart) + chosen.remark;
}

// --- What stands before the benchmarks.

std::vector<Row> headline_rows(const SuiteReport& report) {
  std::vector<Row> rows;
  for (const BenchmarkResult& benchmark : report.benchmarks) {
    for (const MetricResult& metric : benchmark.metrics) {
      if (metric.headline) rows.push_back({&metric, benchmark.title});
    }
  }
  return rows;
}

// "3 are better, 1 is worse, 4 show no clear change"
std::string outcome_words(const std::vector<Row>& rows) {
  size_t better = 0, worse = 0, open = 0;
  for (const Row& row : rows) {
    if (!row.metric->comparison) continue;
    const Interval& difference = row.metric->comparison->difference;
    const std::string_view words =
        is_finite(difference)
            ? html::verdict(difference.low, difference.high, row.metric->higher_is_better).words
            : "";
    ++(words == "better" ? better : words == "worse" ? worse : open);
  }
  return fmt::format(
      "Of {} headline metrics the model is better on {} and worse on {}; on {} the "
      "data cannot tell the two apart.",
      rows.size(), better, worse, open);
}

Html header(const SuiteReport& report, const std::vector<Row>& rows) {
  const bool compared = !report.baseline.empty();
  Html content =
      element("p", {{"class", "kicker"}}, text("paraclip eval")) +
      element("h1", text(compared ? "What the model gained and lost" : "What the model reaches"));
  if (compared && !rows.empty()) {
    content += element("p", {{"class", "lead"}}, text(outcome_words(rows)));
  }
  std::vector<std::pair<std::string, Html>> facts = {{"Model", text(report.model)}};
  if (compared) facts.push_back({"Baseline", text(report.baseline)});
  facts.push_back(
      {"Intervals",
       text(fmt::format("{}, bootstrap over examples within each subset, {} resamples, seed {}",
                        percent(report.bootstrap.confidence),
                        with_commas(report.bootstrap.resamples), report.bootstrap.seed))});
  return element("header", content + html::definition_list(facts)) + Html::raw("\n");
}

Html how_to_read(const SuiteReport& report, size_t headlines) {
  if (report.baseline.empty()) {
    return small_print(
        "The intervals say how far the numbers would move with other examples of the same kind. "
        "They say nothing about other data, or about another training run.");
  }
  const std::string level = percent(1 - report.bootstrap.confidence);
  return small_print(fmt::format(
             "\u25b2 better and \u25bc worse: the {} interval of the difference leaves 0 out; "
             "\u25cb: it does not. Both models are scored on the same resamples (paired "
             "bootstrap). The intervals say nothing about other data, or about another training "
             "run.",
             percent(report.bootstrap.confidence))) +
         small_print(fmt::format(
             "Many comparisons: the {} headline metrics are looked at together, so their p-values "
             "are adjusted after Holm, which keeps the chance of even one false alarm among them "
             "below the level that you choose. The signs, and the p-values of the subsets further "
             "down, are not adjusted: where nothing has changed, about {} of them show a change.",
             headlines, level));
}

Html overview(const SuiteReport& report, const std::vector<Row>& rows) {
  if (rows.empty()) {
    return section("Headline metrics", paragraph("No benchmark could run; what each of them lacks "
                                                 "is said below."));
  }
  const bool compared = !report.baseline.empty();
  const std::string caption = fmt::format(
      "Headline metrics with {} intervals, in percent unless a "
      "name says otherwise",
      percent(report.bootstrap.confidence));
  return section("Headline metrics",
                 metric_table(report, caption, rows, /*adjusted=*/true) +
                     how_to_read(report, rows.size()) +
                     element("div", {{"class", "chart-space"}},
                             compared ? difference_chart(rows)
                                      : value_chart(report, "Headline metrics", rows)));
}

Html contents(const SuiteReport& report) {
  Html items;
  for (size_t i = 0; i < report.benchmarks.size(); ++i) {
    const BenchmarkResult& benchmark = report.benchmarks[i];
    const std::string_view state = benchmark.metrics.empty() ? " (could not run)"
                                   : benchmark.lacks.empty() ? ""
                                                             : " (in part)";
    items += element(
        "li", element("a", {{"href", fmt::format("#{}", anchor(i))}}, text(benchmark.title)) +
                  element("span", {{"class", "quiet"}}, text(state)));
  }
  return element("nav", {{"aria-label", "Benchmarks"}},
                 element("ul", {{"class", "contents"}}, items)) +
         Html::raw("\n");
}

// --- One benchmark.

Html lacks(const BenchmarkResult& benchmark) {
  if (benchmark.lacks.empty()) return {};
  Html items;
  for (const Lack& lack : benchmark.lacks) {
    items += element("li", element("p", text(fmt::format("{}: {}", lack.part, lack.what))) +
                               element("p", {{"class", "quiet"}}, text(lack.remedy)));
  }
  const std::string_view words = benchmark.metrics.empty()
                                     ? "Nothing of it could run. What is missing:"
                                     : "A part of it could not run. What is missing:";
  return paragraph(words) + element("ul", {{"class", "lacks"}}, items) + Html::raw("\n");
}

Html protocol(const BenchmarkResult& benchmark) {
  std::vector<std::pair<std::string, Html>> items;
  for (const auto& [part, rule] : benchmark.protocol) items.push_back({part, text(rule)});
  for (const auto& [name, count] : benchmark.counts) {
    items.push_back({name, text(with_commas(count))});
  }
  if (items.empty()) return {};
  return element("h3", {{"class", "part"}}, text("Protocol and counts")) +
         html::definition_list(items);
}

Html benchmark_section(const SuiteReport& report, size_t index) {
  const BenchmarkResult& benchmark = report.benchmarks[index];
  Html content = paragraph(benchmark.measures) + lacks(benchmark);
  if (!benchmark.metrics.empty()) {
    std::vector<Row> rows;
    for (const MetricResult& metric : benchmark.metrics) rows.push_back({&metric, ""});
    content +=
        metric_table(report,
                     fmt::format("All metrics of {}{}", benchmark.title,
                                 report.baseline.empty() ? "" : "; p-values are not adjusted"),
                     rows, /*adjusted=*/false) +
        element("div", {{"class", "chart-space"}}, value_chart(report, benchmark.title, rows));
  }
  content += examples_part(benchmark, !report.baseline.empty()) + protocol(benchmark);
  return section(benchmark.title, content, anchor(index));
}

}  // namespace

std::string suite_page(const SuiteReport& report) {
  const std::vector<Row> rows = headline_rows(report);
  Html body = header(report, rows) + overview(report, rows) + contents(report);
  for (size_t i = 0; i < report.benchmarks.size(); ++i) body += benchmark_section(report, i);
  const std::string title = report.baseline.empty() ? fmt::format("paraclip eval: {}", report.model)
                                                    : fmt::format("paraclip eval: {} against {}",
                                                                  report.model, report.baseline);
  return html::page(title, body, {});
}

}  // namespace paraclip
