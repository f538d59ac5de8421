#include "paraclip/eval/suite.h"

#include "paraclip/base/file.h"
#include "tests/eval/fake_encoder.h"
#include "tests/support.h"

#include <ATen/ATen.h>

#include <array>
#include <sstream>

namespace paraclip {
namespace {

constexpr int kCases = 40;

// Case i is right if the first coordinate of its text's vector is above 0; even cases are a subset.
class Signs : public Benchmark {
 public:
  std::vector<std::pair<std::string, std::string>> protocol() const override {
    return {{"accuracy", "share of texts on the right side"}};
  }
  std::vector<std::pair<std::string, int64_t>> counts() const override {
    return {{"cases", kCases}};
  }
  Outcome run(Encoder& encoder) const override {
    std::vector<std::string> texts;
    for (int i = 0; i < kCases; ++i) texts.push_back(std::to_string(i));
    const at::Tensor vectors = encoder.encode_texts(texts);
    Outcome outcome;
    outcome.samples = {{{kCases}}, {{kCases / 2}}};
    std::vector<double> right, even;
    for (int i = 0; i < kCases; ++i) {
      const double score = vectors[i][0].item<double>();
      right.push_back(score > 0 ? 100 : 0);
      if (i % 2 == 0) even.push_back(right.back());
      outcome.examples.push_back({"accuracy",
                                  {{"text", texts[static_cast<size_t>(i)]}},
                                  {{"x", score}},
                                  score,
                                  score > 0});
    }
    outcome.metrics.push_back(
        {.name = "accuracy", .statistic = mean_statistic(right), .headline = true, .chance = 50});
    outcome.metrics.push_back(
        {.name = "accuracy.even", .statistic = mean_statistic(even), .sample = 1});
    return outcome;
  }
};

LoadedBenchmark load_signs(const BenchmarkData&) { return {std::make_unique<Signs>(), {}}; }
LoadedBenchmark load_lacking(const BenchmarkData&) {
  return {nullptr, {{"all", "no file x", "put it there"}}};
}
LoadedBenchmark load_nothing(const BenchmarkData&) { return {}; }

const std::vector<BenchmarkEntry> kEntries = {
    {"signs", "Signs", "whether signs are right", load_signs},
    {"lacking", "Lacking", "nothing", load_lacking},
    {"silent", "Silent", "nothing", load_nothing}};

test::FakeEncoder encoder_with(int right) {
  test::FakeEncoder encoder(2);
  for (int i = 0; i < kCases; ++i)
    encoder.texts[std::to_string(i)] = {i < right ? 1.0F : -1.0F, 0.5F};
  return encoder;
}

SuiteReport run(int right, int baseline_right) {
  test::FakeEncoder model = encoder_with(right), baseline = encoder_with(baseline_right);
  SuiteReport report = run_suite(kEntries, {}, model, &baseline, {.resamples = 2000}, {});
  report.model = "m";
  report.baseline = "b";
  return report;
}

TEST(Suite, GivesValuesIntervalsAndDifferences) {
  const SuiteReport report = run(30, 10);
  ASSERT_EQ(report.benchmarks.size(), 2U);
  const MetricResult& metric = report.benchmarks[0].metrics.at(0);
  EXPECT_DOUBLE_EQ(metric.value.mean, 75);
  // The normal interval: 75 +- 1.96 x 100 sqrt(0.75 x 0.25 / 40) = 75 +- 13.4.
  EXPECT_NEAR(metric.value.low, 61.6, 2.6);
  EXPECT_NEAR(metric.value.high, 88.4, 2.6);
  ASSERT_TRUE(metric.comparison);
  EXPECT_DOUBLE_EQ(metric.comparison->baseline.mean, 25);
  EXPECT_DOUBLE_EQ(metric.comparison->difference.mean, 50);
  // Paired: 20 of 40 cases differ, all in one direction; unpaired draws would spread wider than 2
  // x 15.5.
  EXPECT_NEAR(metric.comparison->difference.low, 34.5, 2.6);
  EXPECT_LT(metric.comparison->p_value, 0.01);
  EXPECT_EQ(report.benchmarks[0].metrics.at(1).value.mean, 75);
}

TEST(Suite, EqualEncodersDoNotDiffer) {
  const SuiteReport report = run(20, 20);
  const Comparison& comparison = *report.benchmarks[0].metrics.at(0).comparison;
  EXPECT_EQ(comparison.difference.low, 0);
  EXPECT_EQ(comparison.difference.high, 0);
  EXPECT_EQ(comparison.p_value, 1);
}

TEST(Suite, SaysWhatABenchmarkLacks) {
  const SuiteReport report = run(20, 20);
  EXPECT_EQ(report.benchmarks[1].name, "lacking");
  EXPECT_TRUE(report.benchmarks[1].metrics.empty());
  ASSERT_EQ(report.benchmarks[1].lacks.size(), 1U);
  EXPECT_EQ(report.benchmarks[1].lacks[0].what, "no file x");
}

TEST(Suite, JsonAndExamplesAreAFunctionOfModelsAndData) {
  const test::TemporaryFolder folder;
  std::array<std::string, 2> json, examples;
  for (size_t i = 0; i < 2; ++i) {
    const SuiteReport report = run(30, 10);
    json[i] = dump_json(report.to_json(), 2);
    write_suite_examples(report, folder / "e.jsonl");
    examples[i] = read_file(folder / "e.jsonl");
  }
  EXPECT_EQ(json[0], json[1]);
  EXPECT_EQ(examples[0], examples[1]);
  const Json parsed = parse_json(json[0], "report");
  const Json& metric = parsed.at("benchmarks").at("signs").at("metrics").at("accuracy");
  EXPECT_EQ(metric.at("value"), 75.0);
  EXPECT_EQ(metric.at("difference").at("value"), 50.0);
  EXPECT_EQ(metric.at("chance"), 50.0);
  EXPECT_TRUE(metric.contains("p_holm"));
  EXPECT_FALSE(
      parsed.at("benchmarks").at("signs").at("metrics").at("accuracy.even").contains("p_holm"));
  std::istringstream lines(examples[0]);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const Json example = parse_json(line, "example");
  EXPECT_EQ(example.at("benchmark"), "signs");
  EXPECT_EQ(example.at("text"), "0");
  EXPECT_EQ(example.at("model").at("right"), true);
  EXPECT_TRUE(example.at("baseline").contains("x"));
}

TEST(Suite, KnowsItsBenchmarks) {
  EXPECT_EQ(select_benchmarks({"all"}).size(), benchmarks().size());
  const std::string error = test::error_of([] { select_benchmarks({"no such"}); });
  EXPECT_NE(error.find("there is no benchmark 'no such'"), std::string::npos) << error;
}

}  // namespace
}  // namespace paraclip
