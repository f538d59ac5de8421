#include "paraclip/eval/suite_report.h"

#include "tests/eval/well_formed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>
#include <string>

namespace paraclip {
namespace {

using test::first_mistake;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kHostile = "</title><script src=\"http://evil\">alert('1')</script>&";

MetricResult metric(std::string name, Interval value, Interval baseline, Interval difference) {
  return {
      .name = std::move(name),
      .value = value,
      .headline = true,
      .comparison = Comparison{baseline, difference, /*p_value=*/0.0123, /*adjusted_p=*/0.0456}};
}

Example example(std::string part, double score, bool right) {
  return {.part = std::move(part),
          .fields = {{"caption", fmt::format("scored {}", score)}},
          .measured = {{"similarity", score}},
          .score = score,
          .right = right};
}

// Ten examples whose score the model raised by -4, -3, ... 5.
void add_examples(BenchmarkResult& benchmark) {
  for (int i = 0; i < 10; ++i) {
    benchmark.baseline_examples.push_back(example(fmt::format("part-{}", i), 1, true));
    benchmark.examples.push_back(example(fmt::format("part-{}", i), 1.0 + i - 4, i > 4));
  }
}

SuiteReport compared() {
  SuiteReport report{.model = "tuned", .baseline = "base", .bootstrap = {}, .benchmarks = {}};
  BenchmarkResult crepe{.name = "sugarcrepe",
                        .title = "SugarCrepe",
                        .measures = "Whether hard negatives are told apart.",
                        .protocol = {{"accuracy", "a tie is wrong"}},
                        .counts = {{"cases", 7511}},
                        .lacks = {},
                        .metrics = {},
                        .examples = {},
                        .baseline_examples = {}};
  crepe.metrics.push_back(metric("mean", {73.25, 72, 74}, {70.5, 69, 71}, {2.75, 1.5, 4}));
  crepe.metrics.back().chance = 50;
  crepe.metrics.push_back(metric("swap_obj", {60, 55, 65}, {61, 56, 66}, {-1, -4, 2}));
  crepe.metrics.back().headline = false;
  crepe.metrics.push_back(metric("median_rank", {3, 2, 4}, {5, 4, 6}, {-2, -3, -1}));
  crepe.metrics.back().higher_is_better = false;
  add_examples(crepe);
  BenchmarkResult aro{
      .name = "aro",
      .title = "ARO",
      .measures = "Relations.",
      .protocol = {},
      .counts = {},
      .lacks = {{"all metrics", "1,513 of 1,560 images in data/aro", "paraclip data fetch aro"}},
      .metrics = {},
      .examples = {},
      .baseline_examples = {}};
  report.benchmarks = {std::move(crepe), std::move(aro)};
  return report;
}

SuiteReport alone() {
  SuiteReport report = compared();
  report.baseline.clear();
  for (BenchmarkResult& benchmark : report.benchmarks) {
    benchmark.baseline_examples.clear();
    for (MetricResult& one : benchmark.metrics) one.comparison.reset();
  }
  return report;
}

bool holds(const std::string& page, std::string_view part) {
  return page.find(part) != std::string::npos;
}

// What a reader sees: without style sheet and tags.
std::string words(const std::string& page) {
  std::string body = page.substr(page.find("<body>"));
  return std::regex_replace(body, std::regex("<[^>]*>"), "\n");
}

TEST(SuitePage, IsWellFormedAndLoadsNothing) {
  for (const SuiteReport& report : {compared(), alone(), SuiteReport{}}) {
    const std::string page = suite_page(report);
    EXPECT_EQ(first_mistake(page), "");
    for (const char* loads : {"<script", "src=", "<link", "@import", "url(", "http:", "https:"}) {
      EXPECT_FALSE(holds(page, loads)) << loads;
    }
  }
}

TEST(SuitePage, ShowsEveryNumberOfTheHeadlineTable) {
  const std::string page = suite_page(compared());
  for (const char* part :
       {"tuned", "base", "SugarCrepe", "mean", "chance 50.0", "73.25", "72.00 to 74.00", "70.50",
        "\u25b2 +2.75", "+1.50 to +4.00", "0.0456", "10,000 resamples", "Holm"}) {
    EXPECT_TRUE(holds(page, part)) << part;
  }
  EXPECT_TRUE(holds(page, "model is better on 2 and worse on 0"))
      << "a lower median rank is better";
  EXPECT_TRUE(holds(page, "\u25b2 \u22122.00"));
  EXPECT_TRUE(holds(page, "\u25cb \u22121.00"));
  EXPECT_TRUE(holds(page, "lower is better"));
}

TEST(SuitePage, ShowsTheOtherMetricsAndTheProtocol) {
  const std::string page = suite_page(compared());
  for (const char* part : {"swap_obj", "61.00", "0.0123", "a tie is wrong", "7,511"}) {
    EXPECT_TRUE(holds(page, part)) << part;
  }
}

TEST(SuitePage, LeavesRanksOutOfTheCharts) {
  const std::string page = suite_page(compared());
  EXPECT_TRUE(holds(page, "aria-label=\"swap_obj, baseline: 61.0 (56.0 to 66.0), model: 60.0"));
  EXPECT_FALSE(holds(page, "aria-label=\"median_rank"));
  EXPECT_FALSE(holds(page, "aria-label=\"SugarCrepe: median_rank"));
  EXPECT_TRUE(holds(page, "The table has 1 more"));
}

TEST(SuitePage, ShowsWhatIsLacking) {
  const std::string page = suite_page(compared());
  EXPECT_TRUE(holds(page, "Nothing of it could run"));
  EXPECT_TRUE(holds(page, "all metrics: 1,513 of 1,560 images in data/aro"));
  EXPECT_TRUE(holds(page, "paraclip data fetch aro"));
  EXPECT_TRUE(holds(page, "(could not run)"));
}

TEST(SuitePage, ShowsTheExamplesMostWonAndMostLost) {
  const std::string page = words(suite_page(compared()));
  const size_t won = page.find("Most won"), lost = page.find("Most lost");
  ASSERT_NE(won, std::string::npos);
  ASSERT_NE(lost, std::string::npos);
  const auto order = [](const std::string& part) {
    std::string found;
    const std::regex name("part-(\\d)");
    for (std::sregex_iterator it(part.begin(), part.end(), name), end; it != end; ++it) {
      found += (*it)[1].str();
    }
    return found;
  };
  EXPECT_EQ(order(page.substr(won, lost - won)), "98765");
  EXPECT_EQ(order(page.substr(lost)), "0123") << "only four were lost";
  EXPECT_TRUE(holds(page, "score 6 (right), baseline 1 (right), +5"));
  EXPECT_TRUE(holds(page, "score \u22123 (wrong), baseline 1 (right), \u22124"));
  EXPECT_TRUE(holds(page, "scored 6"));
  EXPECT_TRUE(holds(page, "baseline: \n"));
}

TEST(SuitePage, WithoutABaselineShowsBestAndWorst) {
  const std::string page = suite_page(alone());
  EXPECT_TRUE(holds(page, "Best examples"));
  EXPECT_TRUE(holds(page, "Worst examples"));
  for (const char* part : {"aseline", "Holm", "Difference", "p, adjusted"}) {
    EXPECT_FALSE(holds(words(page), part)) << part;
  }
  EXPECT_TRUE(holds(page, "aria-label=\"SugarCrepe: mean, model: 73.2 (72.0 to 74.0), chance"));
}

TEST(SuitePage, TellsNoExampleTwice) {
  SuiteReport report = alone();
  for (Example& one : report.benchmarks[0].examples) one.score = 7;  // All tie.
  report.benchmarks[0].examples.resize(4);
  const std::string page = suite_page(report);
  for (int i = 0; i < 4; ++i) {
    const std::string part = fmt::format("part-{}", i);
    EXPECT_EQ(page.find(part), page.rfind(part)) << part;
    EXPECT_TRUE(holds(page, part));
  }
}

TEST(SuitePage, EscapesWhatItIsGiven) {
  SuiteReport report = compared();
  const std::string evil(kHostile);
  report.model = report.baseline = evil;
  BenchmarkResult& one = report.benchmarks[0];
  one.name = one.title = one.measures = evil;
  one.protocol = {{evil, evil}};
  one.counts = {{evil, 1}};
  one.lacks = {{evil, evil, evil}};
  one.metrics[0].name = evil;
  for (std::vector<Example>* examples : {&one.examples, &one.baseline_examples}) {
    for (Example& example : *examples) {
      example.part = evil;
      example.fields = {{evil, evil}, {"list", {evil, evil}}, {"inner", {{evil, evil}}}};
    }
  }
  const std::string page = suite_page(report);
  EXPECT_EQ(first_mistake(page), "");
  EXPECT_FALSE(holds(page, "<script"));
  EXPECT_FALSE(holds(page, "\"http://evil\""));
  EXPECT_TRUE(holds(page, "&lt;script src=&quot;http://evil&quot;&gt;"));
}

TEST(SuitePage, NeverPrintsANumberThatIsNone) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (SuiteReport report : {compared(), alone()}) {
    for (MetricResult& one : report.benchmarks[0].metrics) {
      one.value = {kNan, -infinity, infinity};
      one.chance = kNan;
      if (!one.comparison) continue;
      one.comparison = Comparison{{kNan, kNan, kNan}, {kNan, kNan, kNan}, kNan, kNan};
    }
    report.benchmarks[0].examples[3].score = kNan;
    report.benchmarks[0].examples[5].measured["similarity"] = kNan;
    const std::string page = suite_page(report);
    EXPECT_EQ(first_mistake(page), "");
    EXPECT_FALSE(std::regex_search(words(page), std::regex("\\b(nan|inf|null)\\b"))) << words(page);
    EXPECT_TRUE(holds(page, "\u2013"));
    EXPECT_FALSE(holds(words(page), "part-3"));
    EXPECT_FALSE(std::regex_search(page, std::regex("=\"[^\"]*\\bnan\\b")));
  }
}

TEST(SuitePage, CutsLongFieldsBetweenCharacters) {
  SuiteReport report = alone();
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "\u4e2d";
  report.benchmarks[0].examples[0].fields["caption"] = text;
  const std::string page = suite_page(report);
  EXPECT_FALSE(holds(page, "\uFFFD"));
  EXPECT_FALSE(holds(page, text));
  EXPECT_TRUE(holds(page, "\u4e2d\u2026"));
}

TEST(SuitePage, DrawsNoMoreRowsThanCanBeRead) {
  SuiteReport report = compared();
  BenchmarkResult& one = report.benchmarks[0];
  one.metrics.resize(2);
  for (int i = 0; i < 60; ++i) {
    one.metrics.push_back(one.metrics[1]);
    one.metrics.back().name = fmt::format("relation-{}", i);
  }
  const std::string page = suite_page(report);
  EXPECT_TRUE(holds(page, "aria-label=\"relation-21,"));
  EXPECT_FALSE(holds(page, "aria-label=\"relation-22,"));
  EXPECT_TRUE(holds(page, ">relation-59<"));
  EXPECT_TRUE(holds(page, "The table has 38 more"));
}

TEST(SuitePage, IsAFunctionOfTheReport) {
  EXPECT_EQ(suite_page(compared()), suite_page(compared()));
}

}  // namespace
}  // namespace paraclip
