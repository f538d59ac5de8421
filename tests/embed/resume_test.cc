// Kills `paraclip embed` at random moments, as a machine does, and compares what it ends with.

#include "tests/embed/collection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <random>
#include <thread>
#include <vector>

extern char** environ;

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using test::files_of;
using test::put;
using test::some_jpeg;
using test::TemporaryFolder;

class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), test::program());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (!ended_) kill(SIGKILL), wait();
  }

  bool ended() {
    if (!ended_) ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
    return ended_;
  }
  void kill(int signal) { ::kill(pid_, signal); }
  int wait() {
    if (!ended_) ended_ = ::waitpid(pid_, &status_, 0) == pid_;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
  }

 private:
  pid_t pid_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

constexpr int kShards = 30;

class EmbedResumeTest : public testing::Test {
 protected:
  void SetUp() override {
    test::put_model(folder_ / "model");
    for (int i = 0; i < 10 * kShards; ++i) {
      put(folder_ / fmt::format("images/{:03}.jpg", i), i % 50 == 7 ? "bad" : some_jpeg(i));
    }
  }

  std::vector<std::string> command(const std::string& output) {
    return {"embed",
            "--model",
            (folder_ / "model").string(),
            "--images",
            (folder_ / "images").string(),
            "-o",
            (folder_ / output).string(),
            "--shard-size",
            "10",
            "--batch-size",
            "4",
            "--threads",
            "1",
            "--quiet"};
  }
  size_t complete_shards(const std::string& output) {
    size_t count = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder_ / output / "shards", ignored)) {
      const std::string name = entry.path().filename().string();
      count += name.ends_with(".json") && name != "run.json" ? 1 : 0;
    }
    return count;
  }
  // Files but for config.toml, which names the output.
  auto result(const std::string& output) {
    auto files = files_of(folder_ / output);
    EXPECT_EQ(files.erase("config.toml"), 1u);
    return files;
  }
  // Runs until `shards` are complete and a moment more.
  void run_and_signal(const std::string& output, size_t shards, int signal, int microseconds,
                      int expected) {
    Program program(command(output));
    while (complete_shards(output) < shards && !program.ended()) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    ASSERT_FALSE(program.ended()) << "it ended before it could be interrupted";
    program.kill(signal);
    EXPECT_EQ(program.wait(), expected);
    EXPECT_FALSE(fs::exists(folder_ / output / "embeddings.json"));
  }

  TemporaryFolder folder_;
};

TEST_F(EmbedResumeTest, EndsWithTheSameBytesAfterSigkill) {
  ASSERT_EQ(Program(command("whole")).wait(), 0);
  EXPECT_EQ(complete_shards("whole"), static_cast<size_t>(kShards));
  std::mt19937 random(20);
  for (const size_t shards : {0, 3, 9, 17}) {
    run_and_signal("killed", shards, SIGKILL, static_cast<int>(random() % 4000), -SIGKILL);
  }
  ASSERT_EQ(Program(command("killed")).wait(), 0);
  EXPECT_EQ(result("killed"), result("whole"));
}

TEST_F(EmbedResumeTest, EndsCleanlyAfterSigint) {
  ASSERT_EQ(Program(command("whole")).wait(), 0);
  run_and_signal("stopped", 2, SIGINT, 500, 130);
  for (const auto& [name, bytes] : files_of(folder_ / "stopped")) {
    EXPECT_EQ(name.find(".tmp"), std::string::npos) << name;
  }
  ASSERT_EQ(Program(command("stopped")).wait(), 0);
  EXPECT_EQ(result("stopped"), result("whole"));
}

}  // namespace
}  // namespace paraclip
