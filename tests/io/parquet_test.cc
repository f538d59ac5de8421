#include "paraclip/io/parquet.h"

#include "paraclip/base/file.h"
#include "tests/io/files.h"

#include <cmath>

namespace paraclip {
namespace {

using test::expect_error;
using test::io_golden;
using test::put;
using test::TemporaryFolder;

using Strings = std::vector<std::string>;

TEST(ParquetTest, ReadsWhatPyarrowWrote) {
  const ParquetFile file(io_golden("types.parquet"));
  EXPECT_EQ(file.size(), 3);
  EXPECT_EQ(file.columns(), (Strings{"image_path", "large", "category", "key", "big", "similarity",
                                     "nsfw", "tags", "day"}));
  EXPECT_TRUE(file.contains("key"));
  EXPECT_FALSE(file.contains("Key"));
  EXPECT_EQ(file.strings("image_path"), (Strings{"a/1.jpg", "bä.jpg", ""}));
  EXPECT_EQ(file.strings("category"), (Strings{"cat", "dog", "cat"}));
  EXPECT_EQ(file.strings("key"), (Strings{"7", "8", "9"}));
  const Json expected = parse_json(R"([
      {"image_path": "a/1.jpg", "large": "x", "category": "cat", "key": 7,
       "big": 9223372036854775808, "similarity": 0.5, "nsfw": true, "tags": ["a", "b"],
       "day": "1970-01-01"},
      {"image_path": "bä.jpg", "large": null, "category": "dog", "key": 8, "big": 1,
       "similarity": null, "nsfw": null, "tags": [], "day": "1970-01-02"},
      {"image_path": "", "large": "z", "category": "cat", "key": 9, "big": null,
       "similarity": null, "nsfw": false, "tags": null, "day": null}])",
                                   "expected");
  EXPECT_EQ(Json(file.records()), expected);
}

TEST(ParquetTest, SaysWhichValueIsNoText) {
  const ParquetFile file(io_golden("types.parquet"));
  expect_error(ErrorKind::kData, {"types.parquet, row 1", "\"large\"", "null"},
               [&] { file.strings("large"); });
  expect_error(ErrorKind::kData, {"types.parquet, row 0", "0.5"},
               [&] { file.strings("similarity"); });
  expect_error(ErrorKind::kData, {"no column \"url\"", "image_path, large"},
               [&] { file.values("url"); });
}

TEST(ParquetTest, ReadsBackWhatItWrote) {
  const TemporaryFolder folder;
  const std::vector<ParquetColumn> columns = {
      {"image_path", {"000", "001", "002"}}, {"caption", {"a cat", nullptr, "caf\xc3\xa9"}},
      {"width", {640, nullptr, -1}},         {"score", {0.25, 1, nullptr}},
      {"ok", {true, false, nullptr}},        {"mixed", {1, "two", Json{{"three", 3}}}},
      {"big", {uint64_t{1} << 63, 1, 2}},    {"none", {nullptr, nullptr, nullptr}},
      {"bytes", {"\xff", "a\"b\\c\n", ""}}};
  write_parquet(folder / "a.parquet", columns);
  write_parquet(folder / "b.parquet", columns);
  EXPECT_EQ(read_file(folder / "a.parquet"), read_file(folder / "b.parquet"));
  const ParquetFile file(folder / "a.parquet");
  EXPECT_EQ(file.size(), 3);
  const auto expect = [&file](const std::string& column, const std::vector<Json>& values) {
    EXPECT_EQ(file.values(column), values) << column;
  };
  for (size_t i = 0; i < 3; ++i) expect(columns[i].name, columns[i].values);
  expect("score", {0.25, 1.0, nullptr});
  expect("ok", {true, false, nullptr});
  expect("mixed", {"1", "two", "{\"three\":3}"});
  expect("big", {9223372036854775808.0, 1.0, 2.0});
  expect("none", {nullptr, nullptr, nullptr});
  expect("bytes", {"\xef\xbf\xbd", "a\"b\\c\n", ""});
}

TEST(ParquetTest, WritesTablesWithoutRows) {
  const TemporaryFolder folder;
  write_parquet(folder / "a.parquet", {{"image_path", {}}});
  const ParquetFile file(folder / "a.parquet");
  EXPECT_EQ(file.size(), 0);
  EXPECT_EQ(file.strings("image_path"), Strings{});
}

TEST(ParquetTest, RefusesWhatIsDamaged) {
  const TemporaryFolder folder;
  const std::string whole = read_file(io_golden("types.parquet"));
  put(folder / "a.parquet", "");
  expect_error(ErrorKind::kData, {"a.parquet"}, [&] { ParquetFile{folder / "a.parquet"}; });
  for (size_t size = 1; size < whole.size(); size += 101) {
    put(folder / "a.parquet", whole.substr(0, size));
    expect_error(ErrorKind::kData, {"a.parquet"}, [&] { ParquetFile{folder / "a.parquet"}; });
  }
  // Any byte changed: the file is read or refused, and nothing else happens.
  for (size_t at = 0; at < whole.size(); at += 29) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    put(folder / "a.parquet", changed);
    try {
      ParquetFile(folder / "a.parquet").records();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    }
  }
}

}  // namespace
}  // namespace paraclip
