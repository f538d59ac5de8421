#include "paraclip/train/communicator.h"

#include "tests/support.h"
#include "tests/train/thread_communicator.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace paraclip {
namespace {

using test::ThreadRanks;

// More than one piece of a message for every number of ranks, and not a multiple of it.
constexpr size_t kSeveralPieces = (size_t{16} << 20) / sizeof(float) + 12345;

// Values whose float sums depend on the order.
float value_of(int rank, size_t index) {
  const float size = rank % 2 == 0 ? 1e4F : 1e-3F;
  return size * static_cast<float>((index * 7919 + static_cast<size_t>(rank) * 104729) % 1000);
}

std::vector<float> values_of(int rank, size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = value_of(rank, i);
  return values;
}

float sum_in_order(int ranks, size_t index) {
  float sum = value_of(0, index);
  for (int r = 1; r < ranks; ++r) sum += value_of(r, index);
  return sum;
}

TEST(Communicator, AProcessThatNoLauncherStartedIsAlone) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    ::unsetenv(name);
  }
  const auto alone = Communicator::create();
  EXPECT_EQ(alone->rank(), 0);
  EXPECT_EQ(alone->size(), 1);
  std::vector<float> values{1, 2, 3}, copy(3);
  alone->all_reduce_sum(std::span(values));
  EXPECT_EQ(values, (std::vector<float>{1, 2, 3}));
  alone->reduce_scatter_sum(values, copy);
  EXPECT_EQ(copy, values);
  EXPECT_EQ(alone->all_gather(std::string("text")), std::vector<std::string>{"text"});
  EXPECT_FALSE(alone->any(false));
  EXPECT_TRUE(alone->any(true));
  EXPECT_EQ(test::error_of([&] { alone->run([] { throw Error(ErrorKind::kData, "as it is"); }); }),
            "as it is");
}

TEST(Communicator, AllRanksSeeTheSumInTheOrderOfTheRanks) {
  for (const size_t count : {size_t{1}, size_t{2}, size_t{1000}, kSeveralPieces}) {
    ThreadRanks::run(/*size=*/3, [&](Communicator& ranks) {
      std::vector<float> values = values_of(ranks.rank(), count);
      ranks.all_reduce_sum(std::span(values));
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(values[i], sum_in_order(3, i)) << i;
    });
  }
}

TEST(Communicator, SumsDoublesAsDoubles) {
  ThreadRanks::run(/*size=*/4, [](Communicator& ranks) {
    std::vector<double> values{1.0 + 1e-12 * ranks.rank(), 1e300, -1.0};
    ranks.all_reduce_sum(std::span(values));
    EXPECT_NEAR(values[0], 4 + 6e-12, 1e-14);
    EXPECT_EQ(values[1], 4e300);
    EXPECT_EQ(values[2], -4);
  });
}

TEST(Communicator, EachRankGetsTheSumOfItsShare) {
  for (const size_t share : {size_t{1}, size_t{1000}, kSeveralPieces / 2}) {
    ThreadRanks::run(/*size=*/3, [&](Communicator& ranks) {
      const std::vector<float> all = values_of(ranks.rank(), 3 * share);
      std::vector<float> local(share);
      ranks.reduce_scatter_sum(all, local);
      const size_t first = static_cast<size_t>(ranks.rank()) * share;
      for (size_t i = 0; i < share; ++i) ASSERT_EQ(local[i], sum_in_order(3, first + i)) << i;
    });
  }
}

TEST(Communicator, GathersInTheOrderOfTheRanks) {
  for (const size_t count : {size_t{1}, kSeveralPieces}) {
    ThreadRanks::run(/*size=*/3, [&](Communicator& ranks) {
      const std::vector<float> local = values_of(ranks.rank(), count);
      std::vector<float> all(3 * count);
      ranks.all_gather(std::span<const float>(local), std::span(all));
      for (int r = 0; r < 3; ++r) {
        for (size_t i = 0; i < count; ++i) {
          ASSERT_EQ(all[static_cast<size_t>(r) * count + i], value_of(r, i));
        }
      }
    });
  }
}

TEST(Communicator, GathersTextsOfAnyLengthAndSpreadsThatOfRankZero) {
  ThreadRanks::run(/*size=*/3, [](Communicator& ranks) {
    const std::string mine(static_cast<size_t>(ranks.rank()) * 5,
                           static_cast<char>('a' + ranks.rank()));
    EXPECT_EQ(ranks.all_gather(mine), (std::vector<std::string>{"", "bbbbb", "cccccccccc"}));
    std::string text = "of rank " + std::to_string(ranks.rank());
    ranks.broadcast(text);
    EXPECT_EQ(text, "of rank 0");
  });
}

TEST(Communicator, OneRankIsEnoughForAny) {
  ThreadRanks::run(/*size=*/3, [](Communicator& ranks) {
    EXPECT_TRUE(ranks.any(ranks.rank() == 1));
    EXPECT_FALSE(ranks.any(false));
  });
}

}  // namespace
}  // namespace paraclip
