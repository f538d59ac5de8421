// Ranks under mpirun. The program is started by ctest, and starts itself again with mpirun and the
// name of what the ranks are to do.

#include "paraclip/base/error.h"
#include "paraclip/base/log.h"
#include "paraclip/train/communicator.h"
#include "tests/e2e/mpirun.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <bit>
#include <vector>

namespace paraclip {
namespace {

using test::mpirun;

constexpr size_t kCount = 5'000'001;

// What each rank prints must be the same on all.
void sum(Communicator& ranks) {
  std::vector<float> values(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    values[i] = 1.0F / static_cast<float>(1 + (i * 31 + static_cast<size_t>(ranks.rank())) % 977);
  }
  ranks.all_reduce_sum(std::span(values));
  uint64_t digest = 0;
  for (const float value : values) digest = digest * 31 + std::bit_cast<uint32_t>(value);
  std::vector<double> doubles{static_cast<double>(ranks.rank() + 1)};
  ranks.all_reduce_sum(std::span(doubles));
  std::string text = fmt::format("from {}", ranks.rank());
  ranks.broadcast(text);
  ranks.barrier();
  const std::vector<uint64_t> digests = ranks.all_gather(digest);
  for (const uint64_t other : digests) {
    if (other != digest) fail(ErrorKind::kData, "ranks have different sums");
  }
  if (ranks.rank() != 0) return;
  fmt::print("ranks {} doubles {} text '{}' digest {}\n", ranks.size(), doubles[0], text, digest);
}

int be_rank(const std::string& work) {
  log().sinks().push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  const auto ranks = Communicator::create();
  ranks->run([&] {
    if (work == "sum") return sum(*ranks);
    if (work == "interrupt") fail(ErrorKind::kInterrupted, "all stop");
    ranks->barrier();
    if (ranks->rank() == 1) {
      if (work == "throw") fail(ErrorKind::kData, "row 7 of x.npy is not finite");
      ::raise(SIGKILL);
    }
    std::vector<float> values(kCount);
    ranks->all_reduce_sum(std::span(values));  // Waits for the rank that is gone.
  });
  return 0;
}

TEST(Mpirun, RanksAgreeOnSumsThatAreTheSameInEveryRun) {
  PARACLIP_NEEDS_MPIRUN();
  const auto first = mpirun(3, {test::this_program(), "--rank", "sum"});
  EXPECT_EQ(first.code, 0) << first.output;
  EXPECT_NE(first.output.find("ranks 3 doubles 6 text 'from 0' digest"), std::string::npos)
      << first.output;
  EXPECT_EQ(mpirun(3, {test::this_program(), "--rank", "sum"}).output, first.output);
}

TEST(Mpirun, AnErrorOnOneRankEndsAllAndNamesIt) {
  PARACLIP_NEEDS_MPIRUN();
  const auto result = mpirun(3, {test::this_program(), "--rank", "throw"});
  EXPECT_EQ(result.code, exit_code(ErrorKind::kData)) << result.output;
  EXPECT_NE(result.output.find("rank 1 of 3 on "), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("ends the run: row 7 of x.npy is not finite"), std::string::npos)
      << result.output;
}

TEST(Mpirun, ARankThatIsKilledEndsAllAndIsNamed) {
  PARACLIP_NEEDS_MPIRUN();
  const auto result = mpirun(3, {test::this_program(), "--rank", "kill"});
  EXPECT_EQ(result.code, 128 + SIGKILL) << result.output;
  EXPECT_NE(result.output.find("process rank 1"), std::string::npos) << result.output;
}

TEST(Mpirun, AnInterruptionThatAllAgreeOnIsThrownOn) {
  PARACLIP_NEEDS_MPIRUN();
  const auto result = mpirun(2, {test::this_program(), "--rank", "interrupt"});
  EXPECT_EQ(result.code, exit_code(ErrorKind::kInterrupted)) << result.output;
  EXPECT_EQ(result.output.find("ends the run"), std::string::npos) << result.output;
}

TEST(Mpirun, ProcessesThatMpiDoesNotKnowOfAreAnError) {
  const auto result =
      test::run_program({"env", "PMI_SIZE=2", test::this_program(), "--rank", "sum"});
  EXPECT_EQ(result.code, exit_code(ErrorKind::kUsage)) << result.output;
  EXPECT_NE(result.output.find("2 processes were started together"), std::string::npos)
      << result.output;
}

}  // namespace
}  // namespace paraclip

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--rank") {
    try {
      return paraclip::be_rank(argv[2]);
    } catch (const paraclip::Error& error) {
      fmt::print(stderr, "{}\n", error.what());
      return paraclip::exit_code(error.kind());
    }
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
