#pragma once

#include <cstdint>

namespace paraclip {

/// The learning rate of step `step` (from 0): linear warm-up over `warmup` steps, then half a
/// cosine down to 0 at `total` (open_clip's cosine_lr).
double cosine_learning_rate(int64_t step, double base, int64_t warmup, int64_t total);

}  // namespace paraclip
