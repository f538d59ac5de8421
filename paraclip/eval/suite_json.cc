#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/eval/suite.h"

#include <utility>

namespace paraclip {
namespace {

Json interval_json(const Interval& interval) {
  return {{"value", interval.mean}, {"low", interval.low}, {"high", interval.high}};
}

Json metric_json(const MetricResult& metric) {
  Json json = interval_json(metric.value);
  json["headline"] = metric.headline;
  json["higher_is_better"] = metric.higher_is_better;
  if (metric.chance >= 0) json["chance"] = metric.chance;
  if (!metric.comparison) return json;
  json["baseline"] = interval_json(metric.comparison->baseline);
  json["difference"] = interval_json(metric.comparison->difference);
  json["p"] = metric.comparison->p_value;
  if (metric.headline) json["p_holm"] = metric.comparison->adjusted_p;
  return json;
}

Json benchmark_json(const BenchmarkResult& benchmark) {
  Json json = Json::object();
  json["title"] = benchmark.title;
  json["measures"] = benchmark.measures;
  json["metrics"] = Json::object();
  for (const MetricResult& metric : benchmark.metrics)
    json["metrics"][metric.name] = metric_json(metric);
  json["protocol"] = Json::object();
  for (const auto& [name, rule] : benchmark.protocol) json["protocol"][name] = rule;
  json["counts"] = Json::object();
  for (const auto& [name, count] : benchmark.counts) json["counts"][name] = count;
  json["lacks"] = Json::array();
  for (const Lack& lack : benchmark.lacks)
    json["lacks"].push_back({{"part", lack.part}, {"what", lack.what}, {"remedy", lack.remedy}});
  return json;
}

Json outcome_json(const Example& example) {
  Json json = {{"score", example.score}, {"right", example.right}};
  if (example.measured.is_object()) json.update(example.measured);
  return json;
}

}  // namespace

Json SuiteReport::to_json() const {
  Json json = Json::object();
  json["model"] = model;
  if (!baseline.empty()) json["baseline"] = baseline;
  json["bootstrap"] = {{"resamples", bootstrap.resamples},
                       {"confidence", bootstrap.confidence},
                       {"seed", bootstrap.seed}};
  json["benchmarks"] = Json::object();
  for (const BenchmarkResult& benchmark : benchmarks)
    json["benchmarks"][benchmark.name] = benchmark_json(benchmark);
  return json;
}

void write_suite_examples(const SuiteReport& report, const std::filesystem::path& path) {
  AtomicFile file(path);
  for (const BenchmarkResult& benchmark : report.benchmarks) {
    for (size_t i = 0; i < benchmark.examples.size(); ++i) {
      const Example& example = benchmark.examples[i];
      Json line = {{"benchmark", benchmark.name}, {"part", example.part}};
      line["model"] = outcome_json(example);
      if (!benchmark.baseline_examples.empty())
        line["baseline"] = outcome_json(benchmark.baseline_examples[i]);
      line.update(example.fields);
      file.write(dump_json(line) + "\n");
    }
  }
  file.commit();
}

}  // namespace paraclip
