#include "paraclip/train/schedule.h"

#include <charconv>
#include <cmath>
#include <numbers>

namespace paraclip {

double cosine_learning_rate(int64_t step, double base, int64_t warmup, int64_t total) {
  if (step < warmup) return base * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const auto done = static_cast<double>(step - warmup);
  const auto length = static_cast<double>(total - warmup);
  return 0.5 * (1 + std::cos(std::numbers::pi * done / length)) * base;
}

int64_t block_of(std::string_view name) {
  // CLIP's, RoBERTa's.
  for (const std::string_view stack : {".encoder.layers.", ".encoder.layer."}) {
    const size_t place = name.find(stack);
    if (place == std::string_view::npos) continue;
    const std::string_view number = name.substr(place + stack.size());
    int64_t block = -1;
    std::from_chars(number.data(), number.data() + number.size(), block);
    return block;
  }
  return -1;
}

double layer_decay_factor(std::string_view name, int64_t layers, double decay) {
  const int64_t block = block_of(name);
  const bool embedding = name.find(".embeddings.") != std::string_view::npos;
  const int64_t distance = block >= 0 ? layers - block : embedding ? layers + 1 : 0;
  return std::pow(decay, static_cast<double>(distance));
}

}  // namespace paraclip
