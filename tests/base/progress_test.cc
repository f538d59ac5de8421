#include "paraclip/base/progress.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

ProgressState state(int64_t done, int64_t total) {
  return {.label = "train", .unit = "steps", .done = done, .total = total, .detail = ""};
}

TEST(ProgressLine, ShowsRateAndTimeLeft) {
  EXPECT_EQ(progress_line(state(120, 500), /*since=*/20, /*seconds=*/10, /*width=*/80),
            "train 120/500 steps, 10/s, 0:38 left");
  EXPECT_EQ(progress_line(state(5, 105), /*since=*/0, /*seconds=*/10, /*width=*/80),
            "train 5/105 steps, 0.50/s, 3:20 left");
  EXPECT_EQ(progress_line(state(1, 7202), /*since=*/0, /*seconds=*/1, /*width=*/80),
            "train 1/7202 steps, 1.00/s, 2:00:01 left");
}

TEST(ProgressLine, ShowsNoRateBeforeThereIsOne) {
  EXPECT_EQ(progress_line(state(20, 500), /*since=*/20, /*seconds=*/10, /*width=*/80),
            "train 20/500 steps");
  EXPECT_EQ(progress_line(state(20, 500), /*since=*/0, /*seconds=*/0, /*width=*/80),
            "train 20/500 steps");
}

TEST(ProgressLine, ShowsNoTimeLeftAtTheEndOrWithoutATotal) {
  EXPECT_EQ(progress_line(state(500, 500), /*since=*/0, /*seconds=*/10, /*width=*/80),
            "train 500/500 steps, 50/s");
  EXPECT_EQ(progress_line(state(500, 0), /*since=*/0, /*seconds=*/10, /*width=*/80),
            "train 500 steps, 50/s");
}

TEST(ProgressLine, EndsWithTheDetailAndFitsTheWidth) {
  ProgressState with_detail = state(1, 2);
  with_detail.detail = "loss 1.234";
  EXPECT_EQ(progress_line(with_detail, /*since=*/1, /*seconds=*/1, /*width=*/80),
            "train 1/2 steps, loss 1.234");
  EXPECT_EQ(progress_line(with_detail, /*since=*/1, /*seconds=*/1, /*width=*/9), "train 1/2");
}

TEST(ProgressLine, DoesNotCutACharacterInTwo) {
  ProgressState wide = state(1, 2);
  wide.label = "ä";
  EXPECT_EQ(progress_line(wide, /*since=*/1, /*seconds=*/1, /*width=*/1), "");
}

}  // namespace
}  // namespace paraclip
