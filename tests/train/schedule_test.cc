#include "paraclip/train/schedule.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

TEST(CosineLearningRate, WarmsUpLinearlyThenFallsAsHalfACosine) {
  EXPECT_DOUBLE_EQ(cosine_learning_rate(0, 1.0, 4, 12), 0.25);
  EXPECT_DOUBLE_EQ(cosine_learning_rate(3, 1.0, 4, 12), 1.0);
  EXPECT_DOUBLE_EQ(cosine_learning_rate(4, 1.0, 4, 12), 1.0);
  EXPECT_NEAR(cosine_learning_rate(8, 1.0, 4, 12), 0.5, 1e-15);
  EXPECT_NEAR(cosine_learning_rate(11, 1.0, 4, 12), 0.0380602337443566, 1e-12);
  EXPECT_NEAR(cosine_learning_rate(6, 3e-4, 0, 12), 1.5e-4, 1e-15);
}

}  // namespace
}  // namespace paraclip
