#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/eval/benchmark.h"
#include "paraclip/eval/bootstrap.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace paraclip {

/// The difference that a baseline makes to a metric.
struct Comparison {
  Interval baseline;      ///< The baseline's own value.
  Interval difference;    ///< Model minus baseline, paired.
  double p_value = 1;     ///< Two-sided, by the bootstrap.
  double adjusted_p = 1;  ///< After Holm, over all headline metrics of the run; 1 for the others.
};

/// One number with its uncertainty.
struct MetricResult {
  std::string name;
  Interval value;
  bool headline = false;
  bool higher_is_better = true;
  double chance = -1;
  std::optional<Comparison> comparison;  ///< Where there is a baseline.
};

/// All that one benchmark gave.
struct BenchmarkResult {
  std::string name;
  std::string title;
  std::string measures;
  std::vector<std::pair<std::string, std::string>> protocol;
  std::vector<std::pair<std::string, int64_t>> counts;
  std::vector<Lack> lacks;
  std::vector<MetricResult> metrics;  ///< Empty where nothing could run.
  std::vector<Example> examples;      ///< The model's.
  std::vector<Example>
      baseline_examples;  ///< The baseline's, in the same order; empty without one.
};

/// A run of benchmarks on a model and, where there is one, a baseline.
struct SuiteReport {
  std::string model;
  std::string baseline;  ///< Empty without one.
  BootstrapOptions bootstrap;
  std::vector<BenchmarkResult> benchmarks;

  /// All but the examples. A pure function of models and data: no times, no paths.
  Json to_json() const;
};

/// The entries that `names` asks for, in the order of benchmarks(); "all" means every one. Throws
/// kUsage for a name that there is none of.
std::vector<BenchmarkEntry> select_benchmarks(const std::vector<std::string>& names);

/// Runs `entries` on `model` and `baseline` (which may be null). `progress` is told of benchmarks.
/// Throws what loading and encoding throw; kInterrupted.
SuiteReport run_suite(const std::vector<BenchmarkEntry>& entries, const BenchmarkData& data,
                      Encoder& model, Encoder* baseline, const BootstrapOptions& options,
                      const ProgressCallback& progress);

/// Writes one line of JSON for each example to `path`: benchmark, part, score and right of the
/// model and of the baseline, and the example's fields. Throws kIo.
void write_suite_examples(const SuiteReport& report, const std::filesystem::path& path);

}  // namespace paraclip
