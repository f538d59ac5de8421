#include "paraclip/eval/negation.h"

#include "paraclip/base/random.h"
#include "paraclip/eval/registry.h"
#include "tests/eval/benchmark_fixture.h"

#include <fmt/format.h>

#include <array>

namespace paraclip {
namespace {

constexpr std::array<const char*, 5> kSubsets = {"replace_att", "replace_obj", "replace_rel",
                                                 "swap_att", "swap_obj"};

class NegationTest : public test::BenchmarkFixture {
 protected:
  // The same pair in each of SugarCrepe++'s files but the first, which holds `first`.
  void write_pairs(const std::string& first) {
    for (const std::string name : kSubsets) {
      write(
          "sugar_crepe_pp/" + name + ".json",
          name == kSubsets[0]
              ? first
              : R"([{"filename": "i", "caption": "it is", "caption2": "so", "negative_caption": "n"}])");
    }
  }

  std::map<std::string, double> run() {
    return test::values_of(load_negation(data_).benchmark->run(encoder_));
  }
};

TEST(NegateCaption, PutsNotBehindTheFirstVerb) {
  const auto expect = [](std::string_view caption, std::string_view negation) {
    EXPECT_EQ(negate_caption(caption).value_or("nothing"), negation);
  };
  expect("A dog is on a mat.", "A dog is not on a mat.");
  expect("Two dogs are here and a cat is there", "Two dogs are not here and a cat is there");
  expect("It was.", "It was not.");
  expect("IS it? They were", "IS not it? They were");
  expect("what is, is", "what is not, is");
  expect("they were", "they were not");
  // Parts of words are no words.
  expect("this island isn't an as-is warehouse, wasted care", "nothing");
  expect("this is it", "this is not it");
  expect("caféis, iséa is it", "caféis, iséa is not it");
  expect("_is are_ it's was1 is?", "_is are_ it's was1 is not?");
  // Already a denial.
  expect("A dog is not here", "nothing");
  expect("A dog is  NOT here and a cat is", "nothing");
  expect("A dog is notable", "A dog is not notable");
  expect("", "nothing");
  expect("A red bus", "nothing");
}

TEST_F(NegationTest, IsWhatTheRuleSaysOnRandomAndTiedVectors) {
  for (const int levels : {1 << 20, 2}) {
    encoder_.levels = levels;
    std::string table = "paraphrase\tcaption\tnegation\n";
    double right = 0, ties_right = 0, drop = 0;
    for (uint64_t i = 0; i < 200; ++i) {
      const auto text = [&](uint64_t seed) { return fmt::format("t{}", mix64(3 * i + seed) % 50); };
      const std::string caption = text(0), paraphrase = text(1), negation = text(2);
      table += paraphrase + "\t" + caption + "\t" + negation + "\n";
      const double difference = text_cosine(caption, paraphrase) - text_cosine(caption, negation);
      right += difference > 0 ? 0.5 : 0;
      ties_right += difference >= 0 ? 0.5 : 0;
      drop += 100 * difference / 200;
    }
    write("negation.tsv", table);
    const auto values = run();
    EXPECT_EQ(values.size(), 2U);
    EXPECT_NEAR(values.at("accuracy"), right, 1e-9);
    EXPECT_NEAR(values.at("drop"), drop, 1e-9);
    if (levels == 2) {
      EXPECT_GT(ties_right, right + 5);
    }
  }
}

TEST_F(NegationTest, MakesNegationsOfThePairsAtHand) {
  encoder_ = test::FakeEncoder(/*width=*/2);
  encoder_.texts = {{"it is", {1, 0}},     {"it is not", {0, 1}},     {"so", {1, 1}},
                    {"we are", {1, 0}},    {"we are not", {1, 0}},    {"us", {1, 0}},
                    {"they were", {0, 1}}, {"they were not", {1, 0}}, {"them", {0, 1}}};
  write_pairs(R"([{"filename": "i", "caption": "we are", "caption2": "us", "negative_caption": "n"},
                  {"filename": "i", "caption": "a bus", "caption2": "bus", "negative_caption": "n"}])");
  write("flickr8k/paraphrase_pairs_dev.tsv",
        "query\tparaphrase\timage_id\nthey were\tthem\tx\na cat\tcat\ty\na dog\tdog\tz\n");
  const LoadedBenchmark loaded = load_negation(data_);
  EXPECT_TRUE(loaded.lacks.empty());
  const auto list = loaded.benchmark->counts();
  EXPECT_EQ((std::map<std::string, int64_t>(list.begin(), list.end())),
            (std::map<std::string, int64_t>{{"sugar_crepe_pp", 2},
                                            {"sugar_crepe_pp, left out", 1},
                                            {"flickr8k", 1},
                                            {"flickr8k, left out", 2}}));
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(outcome.samples.at(0).strata, (std::vector<int64_t>{2, 1}));
  const auto values = test::values_of(outcome);
  // "we are" ties: it is as near to its denial as to its paraphrase.
  EXPECT_NEAR(values.at("accuracy"), 200.0 / 3, 1e-9);
  EXPECT_NEAR(values.at("accuracy.sugar_crepe_pp"), 50, 1e-9);
  EXPECT_NEAR(values.at("accuracy.flickr8k"), 100, 1e-9);
  EXPECT_NEAR(values.at("drop.flickr8k"), 100, 1e-5);
  EXPECT_NEAR(values.at("drop.sugar_crepe_pp"), 100 * std::sqrt(0.5) / 2, 1e-5);
  EXPECT_NEAR(values.at("drop"), 100 * (std::sqrt(0.5) + 1) / 3, 1e-5);
  EXPECT_EQ(test::headlines_of(outcome), (std::vector<std::string>{"accuracy"}));
  EXPECT_EQ(outcome.examples.at(0).fields["negation"], "we are not");
  EXPECT_FALSE(outcome.examples.at(0).right);
}

TEST_F(NegationTest, NeverCallsOneSourceTheWhole) {
  write_pairs("[]");
  EXPECT_NE(test::error_of([&] { load_negation(data_); }).find("replace_att.json"),
            std::string::npos);
  write_pairs(
      R"([{"filename": "i", "caption": "we are", "caption2": "us", "negative_caption": "n"}])");
  const LoadedBenchmark loaded = load_negation(data_);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  EXPECT_NE(loaded.lacks[0].part.find("accuracy.flickr8k"), std::string::npos);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(test::headlines_of(outcome), (std::vector<std::string>{"accuracy.sugar_crepe_pp"}));
  EXPECT_EQ(outcome.metrics.size(), 2U);
}

TEST_F(NegationTest, SaysWhatIsMissingOrDamaged) {
  const LoadedBenchmark loaded = load_negation(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.size(), 2U);
  write("negation.tsv", "caption\tparaphrase\n");
  expect_data_error(load_negation, "there is no column \"negation\"");
  write("negation.tsv", "caption\tparaphrase\tnegation\n");
  expect_data_error(load_negation, "holds no triples");
  write("negation.tsv", "caption\tparaphrase\tnegation\na\tb\t \n");
  expect_data_error(load_negation, "line 2: a text is blank");
}

}  // namespace
}  // namespace paraclip
