#pragma once

#include <cstdint>
#include <string_view>

namespace paraclip {

/// The learning rate of step `step` (from 0): linear warm-up over `warmup` steps, then half a
/// cosine down to 0 at `total` (open_clip's cosine_lr).
double cosine_learning_rate(int64_t step, double base, int64_t warmup, int64_t total);

/// What the learning rate of a text tower's parameter `name` is multiplied by under layer-wise
/// decay (Clark et al., 2020, ELECTRA): `decay` to the power of its distance from the top, which is
/// 0 for what follows the blocks, 1 for the last block and `layers` + 1 for the embeddings.
double layer_decay_factor(std::string_view name, int64_t layers, double decay);

/// The number of the block that a text tower's parameter `name` belongs to; -1: none.
int64_t block_of(std::string_view name);

}  // namespace paraclip
