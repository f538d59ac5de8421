#include "paraclip/eval/query_pairs.h"

#include "paraclip/base/file.h"
#include "tests/base/expect_error.h"
#include "tests/support.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

class QueryPairsTest : public testing::Test {
 protected:
  QueryPairFile read(const std::string& content) {
    write_file_atomic(folder_ / "pairs.tsv", content);
    return read_query_pairs(folder_ / "pairs.tsv");
  }
  void expect_bad(const std::string& content, std::initializer_list<std::string> fragments) {
    test::expect_error(ErrorKind::kData, fragments, [&] { read(content); });
  }

  test::TemporaryFolder folder_;
};

TEST_F(QueryPairsTest, ReadsPairs) {
  const QueryPairFile file = read("query\tsource\tparaphrase\na\tx\tb\nc\tx\td\n");
  EXPECT_EQ(file.form, "pairs");
  ASSERT_EQ(file.pairs.size(), 2U);
  EXPECT_EQ(file.pairs[1].query, "c");
  EXPECT_EQ(file.pairs[1].paraphrase, "d");
  EXPECT_EQ(file.pairs[1].group, 1);
  EXPECT_EQ(file.pairs[1].image, -1);
  EXPECT_EQ(file.groups, 2);
}

// Every two different queries of a group; the groups' rows need not stand together.
TEST_F(QueryPairsTest, ReadsAQueryLog) {
  const QueryPairFile file =
      read("group\tquery\nred\ta\nblue\tx\nred\tb\nlone\tz\nred\ta\nred\tc\nblue\ty\nlone\tz\n");
  EXPECT_EQ(file.form, "query log");
  std::string text;
  for (const QueryPair& pair : file.pairs)
    text += pair.query + pair.paraphrase + std::to_string(pair.group) + " ";
  EXPECT_EQ(text, "ab0 ac0 bc0 xy1 ");
  EXPECT_EQ(file.groups, 2);
  EXPECT_EQ(file.lone_groups, 1);
}

TEST_F(QueryPairsTest, PairsWithAGroupColumnArePairs) {
  EXPECT_EQ(read("group\tquery\tparaphrase\ng\ta\tb\n").form, "pairs");
}

TEST_F(QueryPairsTest, BadFilesAreRejected) {
  expect_bad("", {"pairs.tsv", "empty"});
  expect_bad("query\tparaphrase\n", {"holds no pairs"});
  expect_bad("query\tother\na\tb\n", {"\"paraphrase\""});
  expect_bad("query\tparaphrase\na\t \n", {"line 2", "column paraphrase is blank"});
  expect_bad("group\tquery\ng\ta\ng\ta\n", {"holds no pairs", "different"});
  std::string large = "group\tquery\n";
  for (int i = 0; i < 5000; ++i) large += "g\tquery " + std::to_string(i) + "\n";
  expect_bad(large, {"too many to compare"});
}

}  // namespace
}  // namespace paraclip
