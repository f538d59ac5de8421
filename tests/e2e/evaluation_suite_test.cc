// The evaluation suite on a real model and real benchmarks, as the program runs it.

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "tests/support.h"

#include <fmt/format.h>

#include <cstdlib>
#include <sstream>
#include <string>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

class EvaluationSuite : public testing::Test {
 protected:
  // Runs `paraclip eval` with its kept vectors in `cache`; what it prints is in folder_ / "out".
  int run(const std::string& arguments) {
    return std::system(
        fmt::format("XDG_CACHE_HOME='{}' '{}' eval --quiet --model '{}' {} >'{}' 2>'{}'",
                    (folder_ / "cache").string(), test::program(),
                    (test::shared_folder() / "models/flickr8k-base").string(), arguments,
                    (folder_ / "out").string(), (folder_ / "err").string())
            .c_str());
  }

  std::string data() const { return (test::shared_folder() / "data").string(); }

  test::TemporaryFolder folder_;
};

TEST_F(EvaluationSuite, RunsWhatNeedsNoImagesAndSaysWhatTheRestLacks) {
  PARACLIP_NEEDS_SHARED("models/flickr8k-base/model.safetensors");
  PARACLIP_NEEDS_SHARED("data/sugar_crepe_pp");
  const std::string arguments = fmt::format(
      "--data '{}' --benchmarks sts,sugarcrepe_pp,aro_relation --resamples 200 ", data());
  ASSERT_EQ(run(arguments + fmt::format("-o '{}'", (folder_ / "a").string())), 0);
  std::istringstream table(read_file(folder_ / "out"));
  for (std::string line; std::getline(table, line);) EXPECT_LE(line.size(), 80U) << line;

  const Json benchmarks = read_json(folder_ / "a/report.json").at("benchmarks");
  EXPECT_EQ(benchmarks.at("sugarcrepe_pp").at("lacks").at(0).at("part"), "itt");
  EXPECT_FALSE(benchmarks.at("sugarcrepe_pp").at("metrics").contains("itt"));
  EXPECT_TRUE(benchmarks.at("aro_relation").at("metrics").empty());
  const double average = benchmarks.at("sts").at("metrics").at("average").at("value").get<double>();
  EXPECT_GT(average, 45);
  EXPECT_LT(average, 65);

  // The same once more, from kept vectors and from none: the same bytes.
  ASSERT_EQ(run(arguments + fmt::format("-o '{}'", (folder_ / "b").string())), 0);
  ASSERT_EQ(run(arguments + fmt::format("--no-cache -o '{}'", (folder_ / "c").string())), 0);
  for (const char* name : {"report.json", "report.html", "per_example.jsonl"}) {
    const std::string first = read_file(folder_ / "a" / name);
    EXPECT_TRUE(first == read_file(folder_ / "b" / name)) << name;
    EXPECT_TRUE(first == read_file(folder_ / "c" / name)) << name;
  }
}

TEST_F(EvaluationSuite, ARunThatMeasuresNothingFails) {
  PARACLIP_NEEDS_SHARED("models/flickr8k-base/model.safetensors");
  EXPECT_NE(run(fmt::format("--data '{}' --benchmarks aro_relation", folder_.path().string())), 0);
  EXPECT_NE(read_file(folder_ / "err").find("nothing could be measured"), std::string::npos);
  EXPECT_NE(read_file(folder_ / "err").find("visual_genome_relation.json"), std::string::npos);
}

}  // namespace
}  // namespace paraclip
