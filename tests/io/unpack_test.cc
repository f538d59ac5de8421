#include "paraclip/io/unpack.h"

#include "paraclip/base/file.h"
#include "tests/base/expect_error.h"
#include "tests/io/archives.h"
#include "tests/support.h"

#include <gtest/gtest.h>

#include <map>

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using test::ArchiveMember;
using test::expect_error;

// An archive to be unpacked into a folder of the test, which is looked at afterwards.
class Unpack : public testing::TestWithParam<const char*> {
 protected:
  void make(const std::vector<ArchiveMember>& members) { make_archive(archive, members); }

  int64_t run(const std::vector<UnpackRule>& rules, const UnpackLimits& limits = {}) {
    return unpack(
        archive, rules, folder, [this](int64_t done) { done_ = done; }, limits);
  }

  // By their paths in the folder, hidden ones too.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    if (!fs::exists(folder)) return found;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_directory()) continue;
      found[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
    }
    return found;
  }

  // An archive with a good member before one that must make the whole refused.
  void expect_refusal(const ArchiveMember& bad, const std::string& why) {
    make({{"in/good.txt", "good"}, bad});
    expect_error(ErrorKind::kData, {archive.filename().string(), why, "nothing was unpacked"}, [&] {
      run({{"in/", "out/"}});
    });
    EXPECT_TRUE(files().empty()) << files().begin()->first;
    EXPECT_FALSE(fs::exists(temporary / "evil.txt"));
  }

  test::TemporaryFolder temporary;
  fs::path archive = temporary / GetParam();
  fs::path folder = temporary / "folder";
  int64_t done_ = 0;
};

using Files = std::map<std::string, std::string>;

TEST_P(Unpack, PutsWhatIsWantedWhereTheRulesSay) {
  make({{"STS/a/x.txt", "1"}, {"./SICK/y.txt", "22"}, {"other/z.txt", "333"}, {"one.json", "{}"}});
  EXPECT_EQ(run({{"STS/", "sts/"}, {"SICK/", "sts/SICK/"}, {"one.json", "named/two.json"}}), 3);
  EXPECT_EQ(files(),
            (Files{{"sts/a/x.txt", "1"}, {"sts/SICK/y.txt", "22"}, {"named/two.json", "{}"}}));
  EXPECT_EQ(done_, 5);
}

TEST_P(Unpack, ReplacesFilesAndLeavesOthers) {
  make_directories(folder / "out");
  write_file_atomic(folder / "out/a.txt", "old");
  write_file_atomic(folder / "out/mine.txt", "mine");
  make({{"in/a.txt", "new"}});
  run({{"in/", "out/"}});
  EXPECT_EQ(files(), (Files{{"out/a.txt", "new"}, {"out/mine.txt", "mine"}}));
}

TEST_P(Unpack, RefusesNamesThatLeadOut) {
  expect_refusal({"../evil.txt", "x"}, "leads upward");
  expect_refusal({"in/../../evil.txt", "x"}, "leads upward");
  expect_refusal({"in/..", "x"}, "leads upward");
  expect_refusal({"unwanted/../../evil.txt", "x"}, "leads upward");
  expect_refusal({(temporary / "evil.txt").string(), "x"}, "an absolute name");
}

TEST_P(Unpack, RefusesLinks) {
  expect_refusal({"in/link", "", "/etc/passwd"}, "a link or a device");
  expect_refusal({"unwanted", "", "in"}, "a link or a device");
  if (archive.extension() == ".zip") return;  // It has no hard links.
  expect_refusal({"in/hard", "", "", "/etc/passwd"}, "a link or a device");
}

TEST_P(Unpack, RefusesTwoMembersForOneFile) {
  expect_refusal({"in/./good.txt", "x"}, "two members for");
}

TEST_P(Unpack, RefusesWhatExceedsTheLimits) {
  make({{"in/a", std::string(600, 'a')}, {"in/b", std::string(600, 'b')}});
  expect_error(ErrorKind::kData, {"more than 1000 bytes", "in/b"}, [&] {
    run({{"in/", "out/"}}, {.bytes = 1000});
  });
  expect_error(ErrorKind::kData, {"more than 1 members"}, [&] {
    run({{"in/", "out/"}}, {.members = 1});
  });
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(run({{"in/", "out/"}}, {.bytes = 1200, .members = 2}), 2);
}

TEST_P(Unpack, RefusesAnArchiveWithoutWhatIsWanted) {
  make({{"in/a", "a"}});
  expect_error(ErrorKind::kData, {"it has no absent/"}, [&] {
    run({{"in/", "out/"}, {"absent/", "x/"}});
  });
  EXPECT_TRUE(files().empty());
}

TEST_P(Unpack, RefusesWhatIsDamaged) {
  std::string noise(200'000, '\0');
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * i * 2654435761U >> 13);
  make({{"in/a", noise}, {"in/b", "b"}});
  const std::string whole = read_file(archive);
  for (const size_t size : {size_t{0}, size_t{10}, whole.size() / 2}) {
    write_file_atomic(archive, whole.substr(0, size));
    expect_error(ErrorKind::kData, {archive.filename().string(), "nothing was unpacked"}, [&] {
      run({{"in/", "out/"}});
    });
  }
  EXPECT_TRUE(files().empty());
  if (archive.extension() != ".zip") return;  // A tar has no checksums of contents.
  std::string flipped = whole;
  flipped[whole.size() / 2] = static_cast<char>(flipped[whole.size() / 2] ^ 0x55);
  write_file_atomic(archive, flipped);
  expect_error(ErrorKind::kData, {"a.zip"}, [&] { run({{"in/", "out/"}}); });
  EXPECT_TRUE(files().empty());
}

INSTANTIATE_TEST_SUITE_P(Forms, Unpack, testing::Values("a.zip", "a.tar.gz"), [](const auto& form) {
  return std::string(form.param) == "a.zip" ? "Zip" : "Tar";
});

}  // namespace
}  // namespace paraclip
