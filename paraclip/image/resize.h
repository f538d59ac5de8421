#pragma once

#include "paraclip/image/image.h"

namespace paraclip {

/// A rectangle of pixels.
struct Rectangle {
  int left = 0, top = 0, width = 0, height = 0;
};

/// What Pillow's `image.resize((width, height), BICUBIC)` returns, by the mode's rules: nearest
/// neighbour for kPalette and kBilevel, premultiplied alpha for kRgba and kGrayAlpha.
///
/// Two passes in fixed point with 22 fraction bits, each rounded to 8 bits (Pillow's Resample.c).
/// Throws kUsage where a side is not positive.
Image resize_bicubic(const Image& image, int width, int height);

/// The rectangle `window` of what `resize_bicubic` makes of the rectangle `source` of `image`;
/// nothing else is computed, so the size of the whole may be beyond memory.
Image resize_bicubic(const Image& image, const Rectangle& source, int width, int height,
                     const Rectangle& window);

}  // namespace paraclip
