#include "paraclip/eval/suite.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/signals.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace paraclip {
namespace {

double on_all(const Statistic& statistic, const Sample& sample) {
  const int64_t units = std::accumulate(sample.strata.begin(), sample.strata.end(), int64_t{0});
  return statistic(std::vector<double>(static_cast<size_t>(units), 1.0));
}

// The metrics of one sample: their rows in the outcome.
std::vector<size_t> metrics_of(const Outcome& outcome, size_t sample) {
  std::vector<size_t> rows;
  for (size_t i = 0; i < outcome.metrics.size(); ++i) {
    if (outcome.metrics[i].sample == sample) rows.push_back(i);
  }
  return rows;
}

Comparison compare(double value, double base, const std::vector<double>& values,
                   const std::vector<double>& bases, double confidence) {
  std::vector<double> differences(values.size());
  for (size_t i = 0; i < values.size(); ++i) differences[i] = values[i] - bases[i];
  Comparison comparison;
  comparison.p_value = bootstrap_p_value(differences);
  comparison.baseline = percentile_interval(base, bases, confidence);
  comparison.difference = percentile_interval(value - base, std::move(differences), confidence);
  return comparison;
}

// Values, intervals and comparisons of all metrics, in the order of the outcome.
std::vector<MetricResult> measure(const Outcome& model, const Outcome* baseline,
                                  const BootstrapOptions& options) {
  std::vector<MetricResult> results(model.metrics.size());
  for (size_t sample = 0; sample < model.samples.size(); ++sample) {
    const std::vector<size_t> rows = metrics_of(model, sample);
    std::vector<Statistic> statistics;
    for (const size_t row : rows) statistics.push_back(model.metrics[row].statistic);
    for (const size_t row : rows) {
      if (baseline != nullptr) statistics.push_back(baseline->metrics[row].statistic);
    }
    const auto resampled = bootstrap(statistics, model.samples[sample].strata, options);
    for (size_t i = 0; i < rows.size(); ++i) {
      const Metric& metric = model.metrics[rows[i]];
      const double value = on_all(statistics[i], model.samples[sample]);
      MetricResult& result = results[rows[i]];
      result.name = metric.name;
      result.headline = metric.headline;
      result.higher_is_better = metric.higher_is_better;
      result.chance = metric.chance;
      result.value = percentile_interval(value, resampled[i], options.confidence);
      if (baseline == nullptr) continue;
      const size_t other = rows.size() + i;
      result.comparison = compare(value, on_all(statistics[other], model.samples[sample]),
                                  resampled[i], resampled[other], options.confidence);
    }
  }
  return results;
}

void adjust_p_values(std::vector<BenchmarkResult>& benchmarks) {
  std::vector<Comparison*> headlines;
  for (BenchmarkResult& benchmark : benchmarks) {
    for (MetricResult& metric : benchmark.metrics) {
      if (metric.headline && metric.comparison) headlines.push_back(&*metric.comparison);
    }
  }
  std::vector<double> p_values;
  for (const Comparison* comparison : headlines) p_values.push_back(comparison->p_value);
  const std::vector<double> adjusted = holm_adjusted(p_values);
  for (size_t i = 0; i < headlines.size(); ++i) headlines[i]->adjusted_p = adjusted[i];
}

BenchmarkResult run_benchmark(const BenchmarkEntry& entry, const BenchmarkData& data,
                              Encoder& model, Encoder* baseline, const BootstrapOptions& options) {
  LoadedBenchmark loaded = entry.load(data);
  BenchmarkResult result;
  result.name = entry.name;
  result.title = entry.title;
  result.measures = entry.measures;
  result.lacks = std::move(loaded.lacks);
  if (!loaded.benchmark) return result;
  result.protocol = loaded.benchmark->protocol();
  result.counts = loaded.benchmark->counts();
  Outcome outcome = loaded.benchmark->run(model);
  Outcome base;
  if (baseline != nullptr) base = loaded.benchmark->run(*baseline);
  result.metrics = measure(outcome, baseline == nullptr ? nullptr : &base, options);
  result.examples = std::move(outcome.examples);
  result.baseline_examples = std::move(base.examples);
  return result;
}

}  // namespace

std::vector<BenchmarkEntry> select_benchmarks(const std::vector<std::string>& names) {
  const auto all = benchmarks();
  std::vector<std::string> known;
  for (const BenchmarkEntry& entry : all) known.emplace_back(entry.name);
  for (const std::string& name : names) {
    if (name != "all" && std::find(known.begin(), known.end(), name) == known.end()) {
      fail(ErrorKind::kUsage, "there is no benchmark '{}'; expected 'all' or some of: {}", name,
           fmt::join(known, ", "));
    }
  }
  const auto wanted = [&](std::string_view name) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& one) { return one == "all" || one == name; });
  };
  std::vector<BenchmarkEntry> selected;
  std::copy_if(all.begin(), all.end(), std::back_inserter(selected),
               [&](const BenchmarkEntry& entry) { return wanted(entry.name); });
  return selected;
}

SuiteReport run_suite(const std::vector<BenchmarkEntry>& entries, const BenchmarkData& data,
                      Encoder& model, Encoder* baseline, const BootstrapOptions& options,
                      const ProgressCallback& progress) {
  options.validate();
  SuiteReport report;
  report.bootstrap = options;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (stop_requested()) fail(ErrorKind::kInterrupted, "evaluation was stopped");
    if (progress) {
      progress({.label = "evaluate",
                .unit = "benchmarks",
                .done = static_cast<int64_t>(i),
                .total = static_cast<int64_t>(entries.size()),
                .detail = std::string(entries[i].title)});
    }
    BenchmarkResult result = run_benchmark(entries[i], data, model, baseline, options);
    // What was not asked for and has nothing to say: the user's own data where none was given.
    if (!result.metrics.empty() || !result.lacks.empty())
      report.benchmarks.push_back(std::move(result));
  }
  adjust_p_values(report.benchmarks);
  return report;
}

}  // namespace paraclip
