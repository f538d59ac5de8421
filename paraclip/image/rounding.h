#pragma once

#include <cstdint>

namespace paraclip {

/// a * b / 255, rounded to nearest, for bytes a and b (Pillow's MULDIV255).
constexpr uint8_t multiply_255(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);
}

}  // namespace paraclip
