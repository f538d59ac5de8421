// The demo, small: all of its steps with the default model at work, and what it does when one
// fails.

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "tests/support.h"

#include <fmt/format.h>

#include <cstdlib>

namespace paraclip {
namespace {

class Demo : public testing::Test {
 protected:
  int run(const std::string& arguments) {
    const std::string command =
        fmt::format("cd '{}' && '{}' demo -o '{}' --captions 64 --test-images 100 {} >'{}' 2>'{}'",
                    PARACLIP_SOURCE_DIR, test::program(), (folder / "demo").string(), arguments,
                    (folder / "out").string(), (folder / "err").string());
    return WEXITSTATUS(std::system(command.c_str()));
  }

  test::TemporaryFolder folder;
};

TEST_F(Demo, RunsEveryStepAndReports) {
  ASSERT_EQ(run("--quiet"), 0) << read_file(folder / "err");
  const Json summary = read_json(folder / "demo/summary.json");
  EXPECT_EQ(summary["captions"], 64);
  EXPECT_GE(summary["triples"].get<int64_t>(), 32);
  EXPECT_GE(summary["steps"].get<int64_t>(), 10);
  ASSERT_EQ(summary["metrics"].size(), 4U);
  for (const Json& metric : summary["metrics"]) {
    EXPECT_GT(metric["base"].get<double>(), 1) << dump_json(metric);
    EXPECT_LT(metric["tuned"].get<double>(), 99) << dump_json(metric);
    EXPECT_LE(metric["low"].get<double>(), metric["difference"].get<double>());
    EXPECT_GE(metric["high"].get<double>(), metric["difference"].get<double>());
  }
  const std::string page = read_file(folder / "demo/report.html");
  EXPECT_NE(page.find("data:image/jpeg;base64,"), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  const std::string printed = read_file(folder / "out");
  EXPECT_NE(printed.find("AO@10, hand-written pairs"), std::string::npos);
  for (size_t begin = 0; begin < printed.size();) {
    const size_t end = printed.find('\n', begin);
    // The temporary folder's name may be long; the rest fits a terminal.
    if (printed.compare(begin, 6, "report") != 0 && printed.compare(begin, 5, "model") != 0) {
      EXPECT_LE(end - begin, 80U) << printed.substr(begin, end - begin);
    }
    begin = end + 1;
  }
}

TEST_F(Demo, FailsLoudlyAndGoesOnWhereItWas) {
  EXPECT_EQ(run("--llm /nowhere.gguf"), 3);
  const std::string error = read_file(folder / "err");
  EXPECT_NE(error.find("[3/5] paraphrase"), std::string::npos) << error;
  EXPECT_NE(error.find("failed with exit code 3"), std::string::npos) << error;
  EXPECT_FALSE(std::filesystem::exists(folder / "demo/summary.json"));
  const auto drawn = std::filesystem::last_write_time(folder / "demo/scenes/train");
  EXPECT_EQ(run("--llm /nowhere.gguf"), 3);
  EXPECT_NE(read_file(folder / "err").find("going on with the demo"), std::string::npos);
  EXPECT_EQ(std::filesystem::last_write_time(folder / "demo/scenes/train"), drawn);
}

TEST_F(Demo, AFolderOfOtherFilesIsLeftAlone) {
  make_directories(folder / "demo");
  write_file_atomic(folder / "demo/thesis.txt", "x");
  EXPECT_EQ(run(""), 2);
  EXPECT_EQ(read_file(folder / "demo/thesis.txt"), "x");
}

}  // namespace
}  // namespace paraclip
