#include "paraclip/train/schedule.h"

#include <cmath>
#include <numbers>

namespace paraclip {

double cosine_learning_rate(int64_t step, double base, int64_t warmup, int64_t total) {
  if (step < warmup) return base * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const auto done = static_cast<double>(step - warmup);
  const auto length = static_cast<double>(total - warmup);
  return 0.5 * (1 + std::cos(std::numbers::pi * done / length)) * base;
}

}  // namespace paraclip
