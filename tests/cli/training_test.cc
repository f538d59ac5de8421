// paraclip train as a user runs it: signals, disks that refuse, options.

#include "tests/cli/commands.h"

#include <sys/mount.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

class TrainingCommands : public Commands {
 protected:
  // Sends `signal` to a run once it has done a few steps; its exit code.
  int interrupt(const std::string& arguments, const std::string& output, const char* signal) {
    const std::string script = fmt::format(
        "{0} {1} --log-every 1 --quiet >/dev/null 2>{3}/err & pid=$!; "
        "until grep -q '\"step\":3,' {2}/metrics.jsonl 2>/dev/null || ! kill -0 $pid; "
        "do sleep 0.01; done; "
        "kill -{4} $pid; wait $pid",
        test::program(), arguments, (folder / output).string(), folder.path().string(), signal);
    write_file_atomic(folder / "script", script);
    return WEXITSTATUS(std::system(("sh " + (folder / "script").string()).c_str()));
  }

  std::string weights(const std::string& output) {
    const fs::path last = folder / output / "last";
    return read_file(last / "model.safetensors") + read_file(last / "trainer.safetensors");
  }

  int64_t step_of(const std::string& output) {
    return read_json(folder / output / "last/trainer.json").at("step").get<int64_t>();
  }
};

TEST_F(TrainingCommands, ASignalLeavesACheckpointFromWhichTheRunGoesOnBitForBit) {
  // 160 steps.
  const std::string options = " --lora-rank 2 --layer-decay 0.8";
  ASSERT_EQ(run(train("straight", 40) + options).code, 0);
  for (const char* signal : {"TERM", "INT"}) {
    const std::string output = signal;
    EXPECT_EQ(interrupt(train(output, 40) + options, output, signal), 130);
    EXPECT_NE(read_file(folder / "err").find("interrupted at step"), std::string::npos);
    EXPECT_GE(step_of(output), 3);
    EXPECT_LT(step_of(output), 160);
    ASSERT_EQ(run(train(output, 40) + options + " --resume").code, 0);
    EXPECT_EQ(step_of(output), 160);
    EXPECT_EQ(weights(output), weights("straight"));
  }
}

TEST_F(TrainingCommands, ADiskThatCannotBeWrittenLeavesTheLastGoodCheckpoint) {
  const fs::path disk = folder / "disk";
  fs::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "needs the right to mount a disk";
  }
  ASSERT_EQ(interrupt(train("disk/o", 40), "disk/o", "TERM"), 130);
  const std::string before = weights("disk/o");
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, ""), 0);
  expect_failure("folder that cannot be written", train("disk/o", 40) + " --resume", 3,
                 {"Read-only file system"});
  EXPECT_EQ(weights("disk/o"), before);
  EXPECT_EQ(run("inspect " + (disk / "o/last").string()).code, 0);
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, ""), 0);
  EXPECT_EQ(run(train("disk/o", 40) + " --resume").code, 0);
  EXPECT_EQ(step_of("disk/o"), 160);
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

TEST_F(TrainingCommands, OptionsThatCannotBeAreRefused) {
  expect_failure("no memory", train("o") + " --memory 0", 2, {"--memory: expected a size above 0"});
  expect_failure("a size that is none", train("o") + " --memory lots", 2, {"found \"lots\""});
  expect_failure("a rank beyond the weights", train("o") + " --lora-rank 500", 2,
                 {"--lora-rank 500 exceeds the rank of"});
  expect_failure("a guard without an evaluation", train("o") + " --guard-metric ao@10", 2,
                 {"need --eval-captions or --eval-pairs"});
  EXPECT_FALSE(fs::exists(folder / "o"));
}

}  // namespace
}  // namespace paraclip
