#include "paraclip/base/file.h"

#include "tests/base/expect_error.h"
#include "tests/support.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <set>

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;

void put(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

// While it lives, a file of this process cannot grow beyond `bytes`: what a full disk looks like.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(MappedFile, ReadsTheBytes) {
  const TemporaryFolder folder;
  put(folder / "a", std::string("one\0two", 7));
  const auto file = MappedFile::open(folder / "a");
  EXPECT_EQ(file->text(), std::string_view("one\0two", 7));
  EXPECT_EQ(file->path(), folder / "a");
  put(folder / "empty", "");
  EXPECT_TRUE(MappedFile::open(folder / "empty")->bytes().empty());
  EXPECT_EQ(read_file(folder / "empty"), "");
}

TEST(MappedFile, RefusesWhatIsNotAFile) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::kIo, {(folder / "none").string(), "No such file"},
               [&] { MappedFile::open(folder / "none"); });
  expect_error(ErrorKind::kIo, {"not a regular file"}, [&] { MappedFile::open(folder.path()); });
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_error(ErrorKind::kIo, {"not a regular file"}, [&] { MappedFile::open(folder / "pipe"); });
}

TEST(AtomicFile, ReplacesOnCommitOnly) {
  const TemporaryFolder folder;
  put(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new");
    EXPECT_EQ(read_file(folder / "a"), "old");
    file.commit();
  }
  EXPECT_EQ(read_file(folder / "a"), "new");
  {
    AtomicFile abandoned(folder / "a");
    abandoned.write("newer");
  }
  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"a"});
}

TEST(AtomicFile, KeepsTheOrderOfSmallAndLargeWrites) {
  const TemporaryFolder folder;
  const std::string large(3 << 20, 'x');
  AtomicFile file(folder / "a");
  file.write("begin");
  file.write(large);
  file.write("end");
  file.commit();
  EXPECT_EQ(read_file(folder / "a"), "begin" + large + "end");
}

TEST(AtomicFile, TwoWritersOfOnePathDoNotMeet) {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a");
  AtomicFile second(folder / "a");
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  EXPECT_EQ(read_file(folder / "a"), "first");
}

TEST(AtomicFile, LeavesNothingBehindWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  put(folder / "a", "old");
  const std::string large(5 << 20, 'x');
  {
    const FileSizeLimit limit(2 << 20);
    expect_error(ErrorKind::kIo, {"cannot write", (folder / "a").string(), "File too large"},
                 [&] { write_file_atomic(folder / "a", large); });
    // Small enough to be buffered: the failure comes with the commit.
    const FileSizeLimit tighter(10);
    expect_error(ErrorKind::kIo, {"cannot write", "File too large"},
                 [&] { write_file_atomic(folder / "a", "more than ten bytes"); });
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"a"});
}

TEST(AtomicFile, NamesAPathThatCannotBeWritten) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::kIo, {"cannot create", (folder / "none/a").string(), "No such file"},
               [&] { AtomicFile file(folder / "none/a"); });
  expect_error(ErrorKind::kIo, {"not a regular file"}, [&] { AtomicFile file(folder.path()); });
  expect_error(ErrorKind::kIo, {"/dev/null", "not a regular file"},
               [] { AtomicFile file("/dev/null"); });
}

TEST(AtomicFile, HonoursTheUmask) {
  const TemporaryFolder folder;
  const mode_t before = ::umask(027);
  write_file_atomic(folder / "a", "x");
  ::umask(before);
  EXPECT_EQ(static_cast<unsigned>(fs::status(folder / "a").permissions()), 0640U);
}

TEST(AtomicDirectory, AppearsOnCommitAndReplacesTheOld) {
  const TemporaryFolder folder;
  for (const std::string content : {"first", "second"}) {
    AtomicDirectory directory(folder / "model/");
    put(directory.temporary() / content, content);
    fs::create_directory(directory.temporary() / "inner");
    put(directory.temporary() / "inner/file", content);
    directory.commit();
    EXPECT_EQ(names_in(folder / "model"), (std::set<std::string>{content, "inner"}));
    EXPECT_EQ(read_file(folder / "model/inner/file"), content);
    EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"model"});
  }
}

TEST(AtomicDirectory, AbandonedLeavesTheOldOne) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "model");
  put(folder / "model/file", "old");
  {
    AtomicDirectory directory(folder / "model");
    put(directory.temporary() / "file", "new");
  }
  EXPECT_EQ(read_file(folder / "model/file"), "old");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"model"});
}

TEST(AtomicDirectory, ClearsWhatACrashLeft) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "model.tmp");
  put(folder / "model.tmp/stale", "x");
  AtomicDirectory directory(folder / "model");
  directory.commit();
  EXPECT_TRUE(names_in(folder / "model").empty());
}

TEST(AtomicDirectory, DoesNotReplaceAFile) {
  const TemporaryFolder folder;
  put(folder / "model", "a file");
  {
    AtomicDirectory directory(folder / "model");
    expect_error(ErrorKind::kIo, {"cannot write", (folder / "model").string()},
                 [&] { directory.commit(); });
  }
  EXPECT_EQ(read_file(folder / "model"), "a file");
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{"model"});
}

TEST(ReplaceSymlink, PointsElsewhere) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "one");
  fs::create_directories(folder / "two");
  replace_symlink(folder / "last", "one");
  replace_symlink(folder / "last", "two");
  EXPECT_EQ(fs::read_symlink(folder / "last"), "two");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"last", "one", "two"}));
}

TEST(AppendFile, AppendsToWhatIsThere) {
  const TemporaryFolder folder;
  {
    AppendFile file(folder / "log");
    file.append("one");
    file.append("two");
  }
  AppendFile(folder / "log").append("three");
  EXPECT_EQ(read_file(folder / "log"), "one\ntwo\nthree\n");
}

TEST(AppendFile, CutsAnUnfinishedLastLine) {
  const TemporaryFolder folder;
  const std::string half(10000, 'x');  // Longer than the blocks it is searched by.
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"one\n", "one\n"},
      {"half", ""},
      {half, ""},
      {"one\ntwo\nha", "one\ntwo\n"},
      {"one\n\n" + half, "one\n\n"},
      {std::string(4095, 'y') + "\nz", std::string(4095, 'y') + "\n"}};
  for (const auto& [before, kept] : cases) {
    put(folder / "log", before);
    AppendFile(folder / "log").append("next");
    EXPECT_EQ(read_file(folder / "log"), kept + "next\n");
  }
}

TEST(AppendFile, IsLockedWhileOpen) {
  const TemporaryFolder folder;
  {
    AppendFile file(folder / "log");
    expect_error(ErrorKind::kUsage, {(folder / "log").string(), "in use by another run"},
                 [&] { AppendFile second(folder / "log"); });
    file.append("still whole");
  }
  AppendFile(folder / "log").append("after");
  EXPECT_EQ(read_file(folder / "log"), "still whole\nafter\n");
}

TEST(AppendFile, KeepsWholeLinesWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  AppendFile file(folder / "log");
  file.append("one");
  {
    const FileSizeLimit limit(10);
    expect_error(ErrorKind::kIo, {"cannot write", (folder / "log").string(), "File too large"},
                 [&] { file.append("a line of more than ten bytes"); });
    EXPECT_EQ(read_file(folder / "log"), "one\n");
  }
  file.append("two");
  EXPECT_EQ(read_file(folder / "log"), "one\ntwo\n");
}

TEST(AppendFile, SaysWhatToDoWhenTheDiskIsFull) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "needs /dev/full";
  AppendFile file("/dev/full");
  expect_error(ErrorKind::kIo, {"/dev/full", "No space left", "free some space"},
               [&] { file.append("line"); });
}

TEST(MakeDirectories, NamesThePath) {
  const TemporaryFolder folder;
  make_directories(folder / "a/b/c");
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  put(folder / "file", "x");
  expect_error(ErrorKind::kIo, {"cannot create", (folder / "file/x").string()},
               [&] { make_directories(folder / "file/x"); });
}

}  // namespace
}  // namespace paraclip
