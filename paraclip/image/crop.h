#pragma once

#include "paraclip/image/image.h"

#include <cstdint>

namespace paraclip {

/// What Pillow's `crop((x, y, x + width, y + height))` makes of `image`: a part of it in the same
/// mode; what lies outside of the picture is 0. Throws kUsage unless both sides are from 1 to
/// 65,535.
Image crop_image(const Image& image, int64_t x, int64_t y, int64_t width, int64_t height);

}  // namespace paraclip
