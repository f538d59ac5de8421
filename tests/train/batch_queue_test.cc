#include "paraclip/train/batch_queue.h"

#include "paraclip/base/error.h"
#include "tests/support.h"

#include <atomic>
#include <set>

namespace paraclip {
namespace {

struct Numbered : PreparedBatch {
  explicit Numbered(int64_t n) : number(n) { ++alive; }
  ~Numbered() override { --alive; }

  int64_t number;
  static inline std::atomic<int> alive = 0;
};

int64_t number_of(const std::unique_ptr<PreparedBatch>& batch) {
  return static_cast<const Numbered&>(*batch).number;
}

TEST(BatchQueue, GivesEveryStepInOrderFromAnotherThread) {
  std::atomic<bool> here = false;
  const auto caller = std::this_thread::get_id();
  BatchQueue queue(
      [&](int64_t step) {
        if (std::this_thread::get_id() == caller) here = true;
        return std::make_unique<Numbered>(step);
      },
      /*first=*/3, /*end=*/50);
  for (int64_t step = 3; step < 50; ++step) EXPECT_EQ(number_of(queue.take()), step);
  EXPECT_FALSE(here);
  EXPECT_GE(queue.waited(), 0);
}

TEST(BatchQueue, RunsAheadByItsCapacityAndNoFurther) {
  std::mutex mutex;
  std::condition_variable changed;
  int64_t prepared = 0;
  int most = 0;
  {
    BatchQueue queue(
        [&](int64_t step) {
          auto batch = std::make_unique<Numbered>(step);
          const std::lock_guard lock(mutex);
          most = std::max(most, Numbered::alive.load());
          ++prepared;
          changed.notify_all();
          return batch;
        },
        0, 100, /*capacity=*/3);
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return prepared == 3; });  // Without a take().
    }
    for (int64_t step = 0; step < 60; ++step) EXPECT_EQ(number_of(queue.take()), step);
  }                    // Stops with steps left.
  EXPECT_LE(most, 4);  // One of them in the test's hand.
  EXPECT_EQ(Numbered::alive, 0);
}

TEST(BatchQueue, AnErrorComesInItsTurn) {
  BatchQueue queue(
      [](int64_t step) -> std::unique_ptr<PreparedBatch> {
        if (step == 2) fail(ErrorKind::kData, "step {} is broken", step);
        return std::make_unique<Numbered>(step);
      },
      0, 10);
  EXPECT_EQ(number_of(queue.take()), 0);
  EXPECT_EQ(number_of(queue.take()), 1);
  EXPECT_EQ(test::error_of([&] { queue.take(); }), "step 2 is broken");
}

}  // namespace
}  // namespace paraclip
