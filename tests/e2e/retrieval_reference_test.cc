// The metrics of a real model as the program prints them, against those of an independent program.

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "tests/support.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace paraclip {
namespace {

class RetrievalReference : public testing::Test {
 protected:
  // Runs `paraclip eval` on the dev split with `arguments` added.
  int run(const std::string& pairs, const std::string& arguments) {
    const std::string data = (test::shared_folder() / "data/flickr8k").string();
    return std::system(
        fmt::format("'{}' eval --quiet --no-cache --model '{}' --image-embeddings '{}/embeddings' "
                    "--images '{}/dev.txt' --captions '{}/captions_dev.tsv' --pairs '{}' {} >'{}'",
                    test::program(), (test::shared_folder() / "models/flickr8k-base").string(),
                    data, data, data, pairs, arguments, out().string())
            .c_str());
  }

  // What was printed of the data given.
  Json own() const { return read_json(out()).at("benchmarks").at("own"); }
  static double value(const Json& own, const std::string& metric) {
    return own.at("metrics").at(metric).at("value").get<double>();
  }

  std::filesystem::path out() const { return folder_ / "out"; }
  std::string dev_pairs() const {
    return (test::shared_folder() / "data/flickr8k/pairs_dev.tsv").string();
  }

  test::TemporaryFolder folder_;
};

TEST_F(RetrievalReference, TheDevSplitGivesThePublishedMetrics) {
  PARACLIP_NEEDS_SHARED("models/flickr8k-base/reference_dev.json");
  const auto output = folder_ / "report";
  ASSERT_EQ(run(dev_pairs(), fmt::format("--json -o '{}'", output.string())), 0);
  const Json report = own();
  const Json reference =
      read_json(test::shared_folder() / "models/flickr8k-base/reference_dev.json");
  for (const auto& [name, expected] : reference.items()) {
    // Of 1,000 queries one weighs 0.1: at most a near-tie may fall the other way.
    EXPECT_NEAR(value(report, name), expected.get<double>(), 0.1001) << name;
  }
  EXPECT_EQ(report.at("counts").at("images"), 1000);
  EXPECT_EQ(report.at("counts").at("captions"), 5000);
  EXPECT_EQ(report.at("counts").at("captions_left_out"), 0);
  EXPECT_EQ(report.at("counts").at("pairs"), 1000);

  EXPECT_EQ(read_json(output / "report.json"), read_json(out()));
  const std::string examples = read_file(output / "per_example.jsonl");
  EXPECT_EQ(std::count(examples.begin(), examples.end(), '\n'), 5000 + 1000 + 1000);
}

// The written configuration repeats the run.
TEST_F(RetrievalReference, TheEffectiveConfigRepeatsTheRun) {
  PARACLIP_NEEDS_SHARED("models/flickr8k-base/reference_dev.json");
  const auto output = folder_ / "report";
  ASSERT_EQ(run(dev_pairs(), fmt::format("--json --k 5 --recall-k 3,7 -o '{}'", output.string())),
            0);
  const Json first = read_json(out());
  EXPECT_TRUE(own().at("metrics").contains("t2i_recall@7"));
  EXPECT_TRUE(own().at("metrics").contains("ao@5"));
  const std::string again =
      fmt::format("'{}' eval --json --quiet --config '{}' >'{}'", test::program(),
                  (output / "config.toml").string(), out().string());
  ASSERT_EQ(std::system(again.c_str()), 0);
  EXPECT_EQ(read_json(out()), first);
}

// True paraphrases: every fourth pair of SugarCrepe++, counted from the first.
TEST_F(RetrievalReference, TrueParaphrasesGiveThePublishedStability) {
  PARACLIP_NEEDS_SHARED("data/sugar_crepe_pp/paraphrase_pairs.tsv");
  PARACLIP_NEEDS_SHARED("models/flickr8k-base/reference_dev.json");
  std::istringstream all(
      read_file(test::shared_folder() / "data/sugar_crepe_pp/paraphrase_pairs.tsv"));
  std::string line;
  std::getline(all, line);
  ASSERT_EQ(line, "image\tcaption\tparaphrase");
  std::string sample = "image\tquery\tparaphrase\n";
  for (int64_t row = 0; std::getline(all, line); ++row) {
    if (row % 4 == 0) sample += line + "\n";
  }
  write_file_atomic(folder_ / "pairs.tsv", sample);
  ASSERT_EQ(run((folder_ / "pairs.tsv").string(), "--json"), 0);
  const Json report = own();
  EXPECT_EQ(report.at("counts").at("pairs"), 1140);
  EXPECT_NEAR(value(report, "ao@10"), 51.2, 0.1);
  EXPECT_NEAR(value(report, "js@10"), 43.0, 0.1);
}

TEST_F(RetrievalReference, TheTableFits80Columns) {
  PARACLIP_NEEDS_SHARED("models/flickr8k-base/reference_dev.json");
  ASSERT_EQ(run(dev_pairs(), ""), 0);
  std::istringstream table(read_file(out()));
  for (std::string line; std::getline(table, line);) EXPECT_LE(line.size(), 80U) << line;
}

}  // namespace
}  // namespace paraclip
