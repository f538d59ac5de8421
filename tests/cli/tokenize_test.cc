#include "paraclip/base/file.h"
#include "tests/support.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

namespace paraclip {
namespace {

// Runs `paraclip tokenize` on a file of text, as a user would.
class TokenizeCommand : public ::testing::Test {
 protected:
  // Returns the exit code; what was printed is in out() and err().
  int run(const std::string& options, const std::string& text) {
    write_file_atomic(folder_ / "in.txt", text);
    const std::string command = test::program() + " tokenize " + options + " < " + path("in.txt") +
                                " > " + path("out.txt") + " 2> " + path("err.txt");
    return WEXITSTATUS(std::system(command.c_str()));
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string out() const { return read_file(folder_ / "out.txt"); }
  std::string err() const { return read_file(folder_ / "err.txt"); }

  test::TemporaryFolder folder_;
};

TEST_F(TokenizeCommand, PrintsALineOfIdsForEachLine) {
  ASSERT_EQ(run("", "a photo of a cat\n\ncaf\xc3\xa9"), 0);
  EXPECT_EQ(out(), "49406 320 1125 539 320 2368 49407\n49406 49407\n49406 15304 49407\n");
  EXPECT_EQ(err(), "3 lines, 12 tokens, 0 truncated, 0 suspected of mojibake\n");
  ASSERT_EQ(run("--quiet -", ""), 0);
  EXPECT_EQ(out() + err(), "");
}

TEST_F(TokenizeCommand, TellsTheFamiliesApart) {
  ASSERT_EQ(run("", "it\u2019s &amp;\n"), 0);
  EXPECT_EQ(out(), "49406 585 568 261 49407\n");
  ASSERT_EQ(run("--family hf", "it\u2019s &amp;\n"), 0);
  EXPECT_EQ(out(), "49406 585 728 503 338 261 6259 282 49407\n");
}

TEST_F(TokenizeCommand, CutsAndLeavesOutSpecialTokens) {
  ASSERT_EQ(run("--context-length 4", "a photo of a cat\n"), 0);
  EXPECT_EQ(out(), "49406 320 1125 49407\n");
  EXPECT_EQ(err(), "1 lines, 4 tokens, 1 truncated, 0 suspected of mojibake\n");
  ASSERT_EQ(run("--context-length 4 --no-special", "a photo of a cat\n\n"), 0);
  EXPECT_EQ(out(), "320 1125\n\n");
}

TEST_F(TokenizeCommand, PrintsOneJsonObject) {
  ASSERT_EQ(run("--json --no-special", "a\n\ncaf\u00c3\u00a9\n"), 0);
  const std::string expected =
      "{\n  \"ids\": [\n    [320],\n    [],\n    [3471, 127, 352, 5811]\n  ],\n"
      "  \"family\": \"open_clip\",\n  \"vocabulary_size\": 49408,\n  \"lines\": 3,\n"
      "  \"tokens\": 5,\n  \"truncated\": 0,\n  \"suspected_mojibake\": 1\n}\n";
  EXPECT_EQ(out(), expected);
}

TEST_F(TokenizeCommand, RefusesWhatItCannotDo) {
  EXPECT_EQ(run(path("missing.txt"), ""), 3);
  EXPECT_NE(err().find("missing.txt"), std::string::npos) << err();
  EXPECT_EQ(run(folder_.path().string(), ""), 3);
  EXPECT_EQ(run("--model " + path("missing"), ""), 3);
  EXPECT_EQ(run("--family bert", ""), 2);
  EXPECT_EQ(run("--context-length 1", "a\n"), 2);
  write_file_atomic(folder_ / "merges.txt", "a b\n");
  EXPECT_EQ(run("--model " + folder_.path().string(), ""), 3);
  EXPECT_NE(err().find("vocab.json is missing"), std::string::npos) << err();
}

}  // namespace
}  // namespace paraclip
