#include "cli/eval_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace paraclip::cli {
namespace {

constexpr size_t kColumns = 80;
constexpr double kLevel = 0.05;

// Prints `text` in lines of at most kColumns, those after the first set in by `indent`.
void print_wrapped(const std::string& text, size_t indent) {
  std::string line;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!line.empty() && line.size() + 1 + word.size() > kColumns) {
      fmt::print("{}\n", line);
      line = std::string(indent, ' ') + word;
    } else {
      line += (line.empty() ? "" : " ") + word;
    }
    begin = end + 1;
  }
  fmt::print("{}\n", line);
}

std::string range(const Interval& interval, const char* format) {
  return fmt::format("[{}, {}]", fmt::format(fmt::runtime(format), interval.low),
                     fmt::format(fmt::runtime(format), interval.high));
}

// A name of its column's width; a longer one on a line of its own.
std::string name_cell(const std::string& name, size_t width) {
  if (name.size() < width) return fmt::format("  {:<{}}", name, width);
  fmt::print("  {}\n", name);
  return std::string(width + 2, ' ');
}

void print_metric(const MetricResult& metric) {
  if (!metric.comparison) {
    fmt::print("{}{:>8.2f}  {}\n", name_cell(metric.name, 32), metric.value.mean,
               range(metric.value, "{:.2f}"));
    return;
  }
  const Comparison& comparison = *metric.comparison;
  fmt::print("{}{:>8.2f}{:>8.2f}{:>+8.2f}  {}", name_cell(metric.name, 28),
             comparison.baseline.mean, metric.value.mean, comparison.difference.mean,
             range(comparison.difference, "{:+.2f}"));
  if (metric.headline) {
    fmt::print("{:>{}.3f}{}", comparison.adjusted_p,
               22 - range(comparison.difference, "{:+.2f}").size(),
               comparison.adjusted_p < kLevel ? " *" : "");
  }
  fmt::print("\n");
}

void print_lacks(const SuiteReport& report) {
  bool first = true;
  for (const BenchmarkResult& benchmark : report.benchmarks) {
    for (const Lack& lack : benchmark.lacks) {
      if (first) fmt::print("\nnot run:\n");
      first = false;
      const std::string part = lack.part.empty() ? "" : ", " + lack.part;
      print_wrapped(
          fmt::format("{}{}: missing {}; {}", benchmark.name, part, lack.what, lack.remedy), 4);
    }
  }
}

}  // namespace

void print_report(const SuiteReport& report) {
  const auto ran = std::count_if(report.benchmarks.begin(), report.benchmarks.end(),
                                 [](const auto& one) { return !one.metrics.empty(); });
  const double percent = 100 * report.bootstrap.confidence;
  if (report.baseline.empty()) {
    fmt::print("{:<34}{:>8}  {:g} % interval\n", "", "value", percent);
  } else {
    fmt::print("{:<30}{:>8}{:>8}{:>8}  {:<16}{:>6}\n", "", "base", "model", "change",
               fmt::format("{:g} % interval", percent), "p");
  }
  for (const BenchmarkResult& benchmark : report.benchmarks) {
    if (benchmark.metrics.empty()) continue;
    fmt::print("{}\n", benchmark.title);
    for (const MetricResult& metric : benchmark.metrics) {
      if (metric.headline || ran == 1) print_metric(metric);
    }
  }
  if (!report.baseline.empty()) {
    fmt::print("\n");
    print_wrapped(
        fmt::format("p: of headline metrics, by the paired bootstrap with {} resamples, adjusted "
                    "after Holm for their number; * below {:g}.",
                    report.bootstrap.resamples, kLevel),
        3);
  }
  print_lacks(report);
}

void print_benchmarks() {
  for (const BenchmarkEntry& entry : benchmarks()) {
    print_wrapped(fmt::format("{:<22}{}", entry.name, entry.measures), 22);
  }
}

}  // namespace paraclip::cli
