#include "paraclip/io/tar.h"

#include "paraclip/base/file.h"
#include "tests/io/files.h"

#include <map>
#include <vector>

namespace paraclip {
namespace {

using test::expect_error;
using test::io_golden;
using test::put;
using test::TemporaryFolder;

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Read {
  std::vector<std::pair<std::string, std::string>> members;
  std::vector<std::optional<uint64_t>> offsets;
  std::string problem;
};

Read read_all(const std::filesystem::path& path) {
  Read read;
  TarReader reader(path);
  for (TarMember member; reader.next(member);) {
    read.members.emplace_back(member.name, text(member.bytes));
    read.offsets.push_back(member.offset);
  }
  read.problem = reader.problem();
  TarMember again;
  EXPECT_FALSE(reader.next(again));
  EXPECT_EQ(reader.problem(), read.problem);
  return read;
}

const std::string kLongName = std::string(60, 'x') + "/" + std::string(60, 'y') + "/0002.txt";
const std::string kLongerName = std::string(300, 'z') + ".txt";

// What every golden archive holds (scripts/make_io_golden.py): folder and links are no members.
std::vector<std::pair<std::string, std::string>> golden_members(bool with_longer_name) {
  std::string bytes;
  for (int i = 0; i < 3 * 256; ++i) bytes += static_cast<char>(i);
  std::vector<std::pair<std::string, std::string>> members = {
      {"photos/0000.txt", "first"}, {"photos/empty.txt", ""}, {"café.txt", bytes}};
  members.emplace_back(kLongName, "named 130");
  if (with_longer_name) members.emplace_back(kLongerName, "named 304");
  members.emplace_back("last.txt", "last");
  return members;
}

class TarGoldenTest : public testing::TestWithParam<const char*> {};

TEST_P(TarGoldenTest, ReadsWhatPythonWrote) {
  const std::string name = GetParam();
  const Read read = read_all(io_golden(name));
  EXPECT_EQ(read.members, golden_members(name != "ustar.tar"));
  EXPECT_EQ(read.problem, "");
}

INSTANTIATE_TEST_SUITE_P(Formats, TarGoldenTest,
                         testing::Values("pax.tar", "gnu.tar", "ustar.tar", "pax.tar.gz"));

TEST(TarReaderTest, TellsWhereTheBytesAre) {
  const std::string file = read_file(io_golden("pax.tar"));
  const Read read = read_all(io_golden("pax.tar"));
  for (size_t i = 0; i < read.members.size(); ++i) {
    const std::string& content = read.members[i].second;
    EXPECT_EQ(read.offsets[i].has_value(), !content.empty());
    if (!read.offsets[i]) continue;
    EXPECT_EQ(file.substr(*read.offsets[i], content.size()), content);
  }
  for (const auto& offset : read_all(io_golden("pax.tar.gz")).offsets) {
    EXPECT_FALSE(offset.has_value());
  }
}

TEST(TarReaderTest, GivesWhatComesBeforeADamage) {
  const TemporaryFolder folder;
  const std::string whole = read_file(io_golden("gnu.tar"));
  const auto expected = golden_members(/*with_longer_name=*/true);
  const Read read = read_all(io_golden("gnu.tar"));
  for (size_t size = 512; size < whole.size(); size += 173) {
    put(folder / "cut.tar", whole.substr(0, size));
    const Read cut = read_all(folder / "cut.tar");
    ASSERT_LE(cut.members.size(), expected.size());
    for (size_t i = 0; i < cut.members.size(); ++i) EXPECT_EQ(cut.members[i], expected[i]);
    for (size_t i = 0; i < expected.size(); ++i) {
      if (!read.offsets[i]) continue;
      const uint64_t end = *read.offsets[i] + expected[i].second.size();
      EXPECT_EQ(cut.members.size() > i, size >= end) << size << " of " << expected[i].first;
    }
    const bool said = cut.problem.find((folder / "cut.tar").string()) != std::string::npos;
    const bool at_a_member = size % 512 == 0;
    EXPECT_TRUE(said || at_a_member || cut.members.size() == expected.size()) << size;
  }
}

// A ustar header for `name` with the 12 bytes `size_field`.
std::string header(const std::string& name, const std::string& size_field, char type = '0') {
  std::string block(512, '\0');
  const auto set = [&block](size_t at, const std::string& value) {
    block.replace(at, value.size(), value);
  };
  set(0, name);
  set(100, "0000644");
  set(108, "0000000");
  set(116, "0000000");
  set(124, size_field);
  set(136, "00000000000");
  set(148, "        ");
  set(156, std::string(1, type));
  set(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  set(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

std::string base256(uint64_t size) {
  std::string field(12, '\0');
  field[0] = '\x80';
  for (int i = 0; i < 8; ++i) field[11 - i] = static_cast<char>(size >> (8 * i));
  return field;
}

std::string padded(std::string content) {
  content.resize((content.size() + 511) / 512 * 512);
  return content;
}

TEST(TarReaderTest, ReadsSizesInBase256) {
  const TemporaryFolder folder;
  put(folder / "a.tar", header("a.txt", base256(3)) + padded("abc") + std::string(1024, '\0'));
  const Read read = read_all(folder / "a.tar");
  ASSERT_EQ(read.members.size(), 1u);
  EXPECT_EQ(read.members[0].second, "abc");
  EXPECT_EQ(read.problem, "");
}

TEST(TarReaderTest, SurvivesHostileSizes) {
  const TemporaryFolder folder;
  const std::string first = header("first.txt", "00000000003") + padded("abc");
  const std::string negative = std::string("\xff") + std::string(11, '\xf0');
  for (const std::string& size :
       {base256(UINT64_MAX), base256(uint64_t{1} << 62), base256(INT64_MAX), negative,
        std::string("77777777777"), std::string("9zzz9999999")}) {
    for (const char type : {'0', 'x', 'L', 'g'}) {
      put(folder / "a.tar", first + header("bad.txt", size, type) + padded("abc"));
      const Read read = read_all(folder / "a.tar");
      ASSERT_GE(read.members.size(), 1u);
      EXPECT_EQ(read.members[0].second, "abc");
    }
  }
}

TEST(TarReaderTest, PassesOverMembersThatAreTooLarge) {
  const TemporaryFolder folder;
  for (const char* name : {"pax.tar", "pax.tar.gz"}) {
    TarReader reader(io_golden(name), /*max_member=*/500);
    std::map<std::string, bool> too_large;
    for (TarMember member; reader.next(member);) {
      too_large[member.name] = member.too_large;
      EXPECT_TRUE(!member.too_large || member.bytes.empty());
    }
    EXPECT_EQ(reader.problem(), "");
    EXPECT_EQ(too_large.size(), 6u);
    EXPECT_TRUE(too_large.at("café.txt"));
    EXPECT_FALSE(too_large.at("last.txt"));
  }
}

TEST(TarReaderTest, SaysWhatIsNoTar) {
  const TemporaryFolder folder;
  put(folder / "empty.tar", "");
  put(folder / "text.tar", std::string(2000, 'x'));
  for (const char* name : {"empty.tar", "text.tar"}) {
    expect_error(ErrorKind::kData, {name, "is not a tar archive"},
                 [&] { read_all(folder / name); });
  }
  expect_error(ErrorKind::kIo, {"missing.tar"}, [&] { read_all(folder / "missing.tar"); });
}

TEST(TarWriterTest, ReadsBackAndDependsOnTheContentAlone) {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> members = {
      {"000000000.jpg", std::string("\0\xff\x80", 3)},
      {"000000000.txt", ""},
      {"café/鳥.txt", "bird"},
      {kLongName, "long"},
      {kLongerName, std::string(100000, 'q')}};
  for (const char* name : {"a.tar", "b.tar"}) {
    TarWriter writer(folder / name);
    for (const auto& [member, content] : members) writer.add(member, content);
    EXPECT_FALSE(std::filesystem::exists(folder / name));
    writer.commit();
  }
  EXPECT_EQ(read_all(folder / "a.tar").members, members);
  EXPECT_EQ(read_all(folder / "a.tar").problem, "");
  EXPECT_EQ(read_file(folder / "a.tar"), read_file(folder / "b.tar"));
}

TEST(TarWriterTest, WritesPlainUstar) {
  const TemporaryFolder folder;
  TarWriter writer(folder / "a.tar");
  writer.add("000000000.jpg", "abc");
  writer.commit();
  const std::string bytes = read_file(folder / "a.tar");
  EXPECT_EQ(bytes.substr(0, 13), "000000000.jpg");
  EXPECT_EQ(bytes.substr(257, 5), "ustar");
  EXPECT_EQ(bytes[156], '0');
  EXPECT_EQ(std::strtoul(bytes.substr(136, 11).c_str(), nullptr, 8), 0u);  // mtime
  EXPECT_EQ(bytes.substr(512, 3), "abc");
  EXPECT_EQ(bytes.size() % 10240, 0u);  // As tar and Python pad.
}

TEST(TarWriterTest, LeavesNothingWithoutCommit) {
  const TemporaryFolder folder;
  {
    TarWriter writer(folder / "a.tar");
    writer.add("a", std::string(1 << 21, 'a'));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(TarWriterTest, RefusesNamesThatAreNotText) {
  const TemporaryFolder folder;
  TarWriter writer(folder / "a.tar");
  for (const std::string& name : {std::string(), std::string("a\0b", 3), std::string("\xff.txt")}) {
    expect_error(ErrorKind::kUsage, {"a.tar", "UTF-8"}, [&] { writer.add(name, "x"); });
  }
}

}  // namespace
}  // namespace paraclip
