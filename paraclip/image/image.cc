#include "paraclip/image/image.h"

#include "paraclip/image/rounding.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace paraclip {

namespace {

struct Rgba {
  uint8_t red, green, blue, alpha;
};

uint16_t gray16_at(const uint8_t* pixel) {
  uint16_t value;
  std::memcpy(&value, pixel, sizeof(value));
  return value;
}

/// Pixel readers, one a mode: the colour and the alpha that Pillow's convert("RGBA") finds.
struct FromGray {
  Rgba operator()(const uint8_t* p) const { return {p[0], p[0], p[0], 255}; }
};
struct FromGrayAlpha {
  Rgba operator()(const uint8_t* p) const { return {p[0], p[0], p[0], p[1]}; }
};
struct FromRgb {
  Rgba operator()(const uint8_t* p) const { return {p[0], p[1], p[2], 255}; }
};
struct FromRgba {
  Rgba operator()(const uint8_t* p) const { return {p[0], p[1], p[2], p[3]}; }
};
struct FromPalette {
  Rgba operator()(const uint8_t* p) const {
    const PaletteEntry& entry = palette[p[0]];
    return {entry.red, entry.green, entry.blue, entry.alpha};
  }
  const PaletteEntry* palette;
};
struct FromGray16 {
  Rgba operator()(const uint8_t* p) const {  // Pillow clips; it does not scale.
    const auto gray = static_cast<uint8_t>(std::min<uint16_t>(gray16_at(p), 255));
    return {gray, gray, gray, 255};
  }
};
struct FromCmyk {
  Rgba operator()(const uint8_t* p) const {
    const unsigned light = 255U - p[3];
    return {static_cast<uint8_t>(light - multiply_255(p[0], light)),
            static_cast<uint8_t>(light - multiply_255(p[1], light)),
            static_cast<uint8_t>(light - multiply_255(p[2], light)), 255};
  }
};

/// Drops alpha.
struct Drop {
  Rgba operator()(Rgba color) const { return color; }
};

/// Pillow's alpha_composite over opaque white: 7 fraction bits.
struct OverWhite {
  static uint8_t blend(unsigned color, unsigned alpha) {
    const unsigned sum = (color * alpha + 255 * (255 - alpha) + 128) << 7;
    return static_cast<uint8_t>((((sum >> 8) + sum) >> 8) >> 7);
  }
  Rgba operator()(Rgba color) const {
    if (is_transparent(color)) return {255, 255, 255, 255};
    return {blend(color.red, color.alpha), blend(color.green, color.alpha),
            blend(color.blue, color.alpha), 255};
  }
  bool is_transparent(Rgba color) const {
    return color.alpha == 0 ||
           (has_key && color.red == key[0] && color.green == key[1] && color.blue == key[2]);
  }

  bool has_key = false;
  std::array<uint8_t, 3> key = {};
};

template <typename Read, typename Finish>
Image map_pixels(const Image& image, const Read& read, const Finish& finish) {
  Image rgb(PixelMode::kRgb, image.width, image.height);
  const int step = bytes_per_pixel(image.mode);
  const uint8_t* in = image.pixels.data();
  uint8_t* out = rgb.pixels.data();
  for (size_t left = image.pixels.size() / static_cast<size_t>(step); left > 0; --left) {
    const Rgba color = finish(read(in));
    out[0] = color.red;
    out[1] = color.green;
    out[2] = color.blue;
    in += step;
    out += 3;
  }
  return rgb;
}

template <typename Finish>
Image to_rgb(const Image& image, const Finish& finish) {
  switch (image.mode) {
    case PixelMode::kGray:
    case PixelMode::kBilevel: return map_pixels(image, FromGray{}, finish);
    case PixelMode::kGrayAlpha: return map_pixels(image, FromGrayAlpha{}, finish);
    case PixelMode::kRgb: return map_pixels(image, FromRgb{}, finish);
    case PixelMode::kRgba: return map_pixels(image, FromRgba{}, finish);
    case PixelMode::kPalette: return map_pixels(image, FromPalette{image.palette.data()}, finish);
    case PixelMode::kGray16: return map_pixels(image, FromGray16{}, finish);
    case PixelMode::kCmyk: return map_pixels(image, FromCmyk{}, finish);
  }
  return {};
}

bool has_transparency(const Image& image) {
  if (image.mode == PixelMode::kRgba || image.mode == PixelMode::kGrayAlpha) return true;
  return !image.transparent_color.empty() ||
         std::any_of(image.palette.begin(), image.palette.end(),
                     [](const PaletteEntry& entry) { return entry.alpha != 255; });
}

}  // namespace

std::string_view mode_name(PixelMode mode) {
  switch (mode) {
    case PixelMode::kGray: return "L";
    case PixelMode::kGrayAlpha: return "LA";
    case PixelMode::kRgb: return "RGB";
    case PixelMode::kRgba: return "RGBA";
    case PixelMode::kPalette: return "P";
    case PixelMode::kBilevel: return "1";
    case PixelMode::kGray16: return "I;16";
    case PixelMode::kCmyk: return "CMYK";
  }
  return "?";
}

int bytes_per_pixel(PixelMode mode) {
  switch (mode) {
    case PixelMode::kGray:
    case PixelMode::kPalette:
    case PixelMode::kBilevel: return 1;
    case PixelMode::kGrayAlpha:
    case PixelMode::kGray16: return 2;
    case PixelMode::kRgb: return 3;
    case PixelMode::kRgba:
    case PixelMode::kCmyk: return 4;
  }
  return 0;
}

Image::Image(PixelMode its_mode, int its_width, int its_height)
    : mode(its_mode), width(its_width), height(its_height) {
  pixels.resize(row_bytes() * static_cast<size_t>(height));
}

Image Image::same_kind(int new_width, int new_height) const {
  Image image(mode, new_width, new_height);
  image.palette = palette;
  image.transparent_color = transparent_color;
  return image;
}

Image convert_to_rgb(const Image& image) { return to_rgb(image, Drop{}); }

Image flatten_to_rgb(const Image& image) {
  if (!has_transparency(image)) return convert_to_rgb(image);
  OverWhite finish;
  if (!image.transparent_color.empty()) {
    // Pillow compares the low bytes, whatever the depth of the file.
    finish.has_key = true;
    for (size_t c = 0; c < 3; ++c) {
      const size_t last = image.transparent_color.size() - 1;
      finish.key[c] = static_cast<uint8_t>(image.transparent_color[std::min(c, last)] & 0xff);
    }
  }
  return to_rgb(image, finish);
}

}  // namespace paraclip
