#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace paraclip {

/// How a pixel is stored: Pillow's modes, of which each has its own rules for resizing and for the
/// way to RGB.
enum class PixelMode {
  kGray,       ///< L: 1 byte.
  kGrayAlpha,  ///< LA: 2 bytes, alpha not premultiplied.
  kRgb,        ///< RGB: 3 bytes.
  kRgba,       ///< RGBA: 4 bytes, alpha not premultiplied.
  kPalette,    ///< P: 1 byte, an index into Image::palette.
  kBilevel,    ///< 1: 1 byte, 0 or 255.
  kGray16,     ///< I;16: 2 bytes in the machine's order.
  kCmyk,       ///< CMYK: 4 bytes, 0 is no ink.
};

/// Pillow's name of `mode`: "L", "LA", "RGB", "RGBA", "P", "1", "I;16", "CMYK".
std::string_view mode_name(PixelMode mode);

/// Bytes of one pixel.
int bytes_per_pixel(PixelMode mode);

/// The colours of a palette and their alpha (255 where the file gives none).
struct PaletteEntry {
  uint8_t red = 0, green = 0, blue = 0, alpha = 255;
};

/// A picture as it was decoded, in its own mode: open_clip resizes before it converts to RGB.
struct Image {
  Image() = default;
  /// All bytes zero.
  Image(PixelMode mode, int width, int height);

  size_t row_bytes() const { return static_cast<size_t>(width) * bytes_per_pixel(mode); }
  const uint8_t* row(int y) const { return pixels.data() + static_cast<size_t>(y) * row_bytes(); }
  uint8_t* row(int y) { return pixels.data() + static_cast<size_t>(y) * row_bytes(); }

  /// A picture of the same mode, palette and transparent colour with other pixels, all zero.
  Image same_kind(int new_width, int new_height) const;

  PixelMode mode = PixelMode::kRgb;
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;        ///< `[height, width, bytes_per_pixel]`, no gaps.
  std::vector<PaletteEntry> palette;  ///< 256 entries in mode kPalette, else empty.
  /// A colour that stands for "transparent" in a picture without alpha (PNG's tRNS), one value a
  /// channel; empty where there is none.
  std::vector<uint16_t> transparent_color;
};

/// What Pillow's `convert("RGB")` makes of `image`: alpha is dropped, a palette looked up.
Image convert_to_rgb(const Image& image);

/// What transformers 5 makes of `image` for `do_convert_rgb`: convert("RGB") where nothing is
/// transparent, else the picture laid over white.
Image flatten_to_rgb(const Image& image);

}  // namespace paraclip
