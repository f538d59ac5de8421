#include "paraclip/io/jsonl.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/tsv.h"
#include "tests/io/files.h"

namespace paraclip {
namespace {

using test::expect_error;
using test::put;
using test::TemporaryFolder;

constexpr std::string_view kMark = "\xEF\xBB\xBF";

std::vector<std::string> lines_of(std::string_view text) {
  const TemporaryFolder folder;
  put(folder / "a.txt", text);
  LineReader reader(folder / "a.txt");
  std::vector<std::string> lines;
  for (std::string_view line; reader.next(line);) {
    lines.emplace_back(line);
    EXPECT_EQ(reader.line(), static_cast<int64_t>(lines.size()));
  }
  return lines;
}

TEST(LineReader, FindsLines) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(lines_of(""), Lines{});
  EXPECT_EQ(lines_of(kMark), Lines{});
  EXPECT_EQ(lines_of("a"), Lines{"a"});
  EXPECT_EQ(lines_of("a\n"), Lines{"a"});
  EXPECT_EQ(lines_of("\n\n"), (Lines{"", ""}));
  EXPECT_EQ(lines_of("a\r\nb\r\n"), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of(std::string(kMark) + "a\n\n b \nc"), (Lines{"a", "", " b ", "c"}));
  EXPECT_EQ(lines_of("a\rb\n"), Lines{"a\rb"});
  EXPECT_EQ(lines_of(std::string_view("a\0b\n", 4)), Lines{std::string("a\0b", 3)});
}

TEST(ReadLines, SkipsBlankOnes) {
  const TemporaryFolder folder;
  put(folder / "ids.txt", std::string(kMark) + "one.jpg\r\n\r\n \t\ntwo three.jpg\nlast");
  EXPECT_EQ(read_lines(folder / "ids.txt"),
            (std::vector<std::string>{"one.jpg", "two three.jpg", "last"}));
  expect_error(ErrorKind::kIo, {(folder / "none.txt").string()},
               [&] { read_lines(folder / "none.txt"); });
}

TEST(JsonlReader, ReadsValuesAndTheirLines) {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.jsonl").string();
  put(path, std::string(kMark) + "{\"a\": 1}\r\n\n  \r\n[2]\n\"\xC3\xA4\\n\"");
  JsonlReader reader(path);
  Json value;
  ASSERT_TRUE(reader.next(value));
  EXPECT_EQ(dump_json(value), R"({"a":1})");
  EXPECT_EQ(reader.where(), path + ", line 1");
  ASSERT_TRUE(reader.next(value));
  EXPECT_EQ(dump_json(value), "[2]");
  EXPECT_EQ(reader.line(), 4);
  ASSERT_TRUE(reader.next(value));
  EXPECT_EQ(value.get<std::string>(), "ä\n");
  EXPECT_FALSE(reader.next(value));
  EXPECT_FALSE(reader.next(value));
}

TEST(JsonlReader, NamesTheLineOfAMistakeAndGoesOn) {
  const TemporaryFolder folder;
  for (const std::string bad :
       {"{\"a\":", "{\"a\": 1} {\"a\": 2}", "{\"a\": 1, \"a\": 2}", "a", "\"\xff\"", "\"\x01\""}) {
    put(folder / "a.jsonl", "{}\n\n" + bad + "\n[3]\n");
    JsonlReader reader(folder / "a.jsonl");
    Json value;
    ASSERT_TRUE(reader.next(value));
    expect_error(ErrorKind::kData, {(folder / "a.jsonl").string() + ", line 3: "},
                 [&] { reader.next(value); });
    ASSERT_TRUE(reader.next(value));
    EXPECT_EQ(dump_json(value), "[3]");
  }
}

using Row = std::vector<std::string_view>;

TEST(TsvReader, GivesTheRequiredColumnsInTheirOrder) {
  const TemporaryFolder folder;
  put(folder / "a.tsv", std::string(kMark) +
                            "image_id\tsplit\tcaption\r\n1.jpg\tdev\ta \"quoted\" dog\r\n\r\n"
                            "2.jpg\t\t\n3.jpg\tx\tend");
  TsvReader reader(folder / "a.tsv", {"caption", "image_id"});
  Row row;
  ASSERT_TRUE(reader.next(row));
  EXPECT_EQ(row, (Row{"a \"quoted\" dog", "1.jpg"}));
  EXPECT_EQ(reader.where(), (folder / "a.tsv").string() + ", line 2");
  ASSERT_TRUE(reader.next(row));
  EXPECT_EQ(row, (Row{"", "2.jpg"}));
  EXPECT_EQ(reader.line(), 4);
  ASSERT_TRUE(reader.next(row));
  EXPECT_EQ(row, (Row{"end", "3.jpg"}));
  EXPECT_FALSE(reader.next(row));
}

TEST(TsvReader, RefusesRowsOfAnotherWidth) {
  const TemporaryFolder folder;
  for (const std::string bad : {"1", "1\t2\t3", "\t\t", " "}) {
    put(folder / "a.tsv", "a\tb\n1\t2\n" + bad + "\n");
    TsvReader reader(folder / "a.tsv", {"a"});
    Row row;
    ASSERT_TRUE(reader.next(row));
    expect_error(ErrorKind::kData, {(folder / "a.tsv").string() + ", line 3: ", "expected 2"},
                 [&] { reader.next(row); });
  }
}

TEST(TsvReader, RefusesAHeaderWithoutTheColumns) {
  const TemporaryFolder folder;
  const auto open = [&](std::string_view text) {
    put(folder / "a.tsv", text);
    TsvReader(folder / "a.tsv", {"image_id", "caption"});
  };
  expect_error(ErrorKind::kData, {"is empty", "image_id, caption"}, [&] { open(""); });
  expect_error(ErrorKind::kData, {"is empty"}, [&] { open("\n \n"); });
  expect_error(ErrorKind::kData,
               {"line 1: there is no column \"caption\"", "names: image_id, text"},
               [&] { open("image_id\ttext\n"); });
  expect_error(ErrorKind::kData, {"no column \"image_id\""}, [&] { open("image_id,caption\n"); });
  expect_error(ErrorKind::kData, {"\"caption\" appears twice"},
               [&] { open("image_id\tcaption\tcaption\n"); });
  EXPECT_NO_THROW(open("image_id\tx\tx\tcaption"));
}

TEST(TsvReader, ReadsRealCaptions) {
  PARACLIP_NEEDS_SHARED("data/flickr8k/captions_dev.tsv");
  TsvReader reader(test::shared_folder() / "data/flickr8k/captions_dev.tsv",
                   {"image_id", "caption"});
  int64_t rows = 0;
  for (Row row; reader.next(row); ++rows) EXPECT_TRUE(row[0].ends_with(".jpg"));
  EXPECT_EQ(rows, 5000);
}

}  // namespace
}  // namespace paraclip
