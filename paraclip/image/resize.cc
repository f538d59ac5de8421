#include "paraclip/image/resize.h"

#include "paraclip/base/error.h"
#include "paraclip/image/resample.h"
#include "paraclip/image/rounding.h"

#include <algorithm>
#include <cstring>

namespace paraclip {

namespace {

bool has_alpha(PixelMode mode) { return mode == PixelMode::kRgba || mode == PixelMode::kGrayAlpha; }

/// Calls change(color, alpha) for every colour byte of a picture whose last channel is alpha.
template <typename Change>
void for_each_color(Image& image, const Change& change) {
  const auto step = static_cast<size_t>(bytes_per_pixel(image.mode));
  for (size_t i = 0; i < image.pixels.size(); i += step) {
    const uint8_t alpha = image.pixels[i + step - 1];
    for (size_t c = 0; c + 1 < step; ++c) change(image.pixels[i + c], alpha);
  }
}

void premultiply(Image& image) {
  for_each_color(image, [](uint8_t& color, unsigned alpha) { color = multiply_255(color, alpha); });
}

void unpremultiply(Image& image) {
  for_each_color(image, [](uint8_t& color, unsigned alpha) {
    if (alpha != 0) color = static_cast<uint8_t>(std::min(255U * color / alpha, 255U));
  });
}

Image copy_rectangle(const Image& image, const Rectangle& part) {
  Image copy = image.same_kind(part.width, part.height);
  const auto left = static_cast<size_t>(part.left * bytes_per_pixel(image.mode));
  for (int y = 0; y < part.height; ++y) {
    std::memcpy(copy.row(y), image.row(part.top + y) + left, copy.row_bytes());
  }
  return copy;
}

/// The source places of a nearest-neighbour resize. Pillow adds the step up, and so do we: its
/// rounding decides at ties.
std::vector<int> nearest_places(const Axis& axis) {
  const double step = static_cast<double>(axis.in) / axis.out;
  std::vector<int> places;
  double position = step * 0.5;
  for (int i = 0; i < axis.first + axis.count; ++i, position += step) {
    if (i >= axis.first) places.push_back(std::min(static_cast<int>(position), axis.in - 1));
  }
  return places;
}

Image resize_nearest(const Image& image, const Rectangle& source, const Axis& horizontal,
                     const Axis& vertical) {
  Image out = image.same_kind(horizontal.count, vertical.count);
  const std::vector<int> columns = nearest_places(horizontal);
  const std::vector<int> rows = nearest_places(vertical);
  for (int y = 0; y < out.height; ++y) {
    const uint8_t* from = image.row(source.top + rows[static_cast<size_t>(y)]) + source.left;
    std::transform(columns.begin(), columns.end(), out.row(y), [&](int x) { return from[x]; });
  }
  return out;
}

uint16_t gray16_at(const Image& image, int x, int y) {
  uint16_t value;
  std::memcpy(&value, image.row(y) + 2 * static_cast<size_t>(x), sizeof(value));
  return value;
}

uint16_t round_gray16(double value) {
  return static_cast<uint16_t>(
      std::clamp(static_cast<int>(value < 0 ? value - 0.5 : value + 0.5), 0, 65535));
}

/// One pass of the resize of 16-bit gray, in double: along the rows of `image` or down its columns.
Image resample_gray16(const Image& image, const Axis& axis, bool across) {
  const RealWeights weights(axis);
  Image out =
      across ? image.same_kind(axis.count, image.height) : image.same_kind(image.width, axis.count);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const auto place = static_cast<size_t>(across ? x : y);
      const double* values = weights.values.data() + place * static_cast<size_t>(weights.taps);
      double sum = 0;
      for (int i = 0; i < weights.length[place]; ++i) {
        const int from = weights.begin[place] + i;
        sum += gray16_at(image, across ? from : x, across ? y : from) * values[i];
      }
      const uint16_t rounded = round_gray16(sum);
      std::memcpy(out.row(y) + 2 * static_cast<size_t>(x), &rounded, sizeof(rounded));
    }
  }
  return out;
}

Image resize_gray16(const Image& image, const Axis& horizontal, const Axis& vertical) {
  if (starts_vertically(horizontal, vertical)) {
    return resample_gray16(resample_gray16(image, vertical, /*across=*/false), horizontal,
                           /*across=*/true);
  }
  return resample_gray16(resample_gray16(image, horizontal, /*across=*/true), vertical,
                         /*across=*/false);
}

Image resize_bytes(const Image& image, const Rectangle& source, const Axis& horizontal,
                   const Axis& vertical) {
  thread_local Resampler resampler;
  const int channels = bytes_per_pixel(image.mode);
  PixelView view;
  view.data = image.row(source.top) + static_cast<size_t>(source.left * channels);
  view.stride = image.row_bytes();
  view.width = source.width;
  view.height = source.height;
  Image out = image.same_kind(horizontal.count, vertical.count);
  resampler(view, channels, horizontal, vertical, out.pixels.data());
  return out;
}

}  // namespace

Image resize_bicubic(const Image& image, int width, int height) {
  return resize_bicubic(image, {0, 0, image.width, image.height}, width, height,
                        {0, 0, width, height});
}

Image resize_bicubic(const Image& image, const Rectangle& source, int width, int height,
                     const Rectangle& window) {
  if (width < 1 || height < 1 || window.width < 1 || window.height < 1) {
    fail(ErrorKind::kUsage, "a picture cannot be resized to {}x{} pixels", width, height);
  }
  if (source.width == width && source.height == height) {
    return copy_rectangle(
        image, {source.left + window.left, source.top + window.top, window.width, window.height});
  }
  const Axis horizontal = {source.width, width, window.left, window.width};
  const Axis vertical = {source.height, height, window.top, window.height};
  if (image.mode == PixelMode::kPalette || image.mode == PixelMode::kBilevel) {
    return resize_nearest(image, source, horizontal, vertical);
  }
  if (image.mode == PixelMode::kGray16) {
    return resize_gray16(copy_rectangle(image, source), horizontal, vertical);
  }
  if (!has_alpha(image.mode)) return resize_bytes(image, source, horizontal, vertical);
  Image premultiplied = copy_rectangle(image, source);
  premultiply(premultiplied);
  Image out =
      resize_bytes(premultiplied, {0, 0, source.width, source.height}, horizontal, vertical);
  unpremultiply(out);
  return out;
}

}  // namespace paraclip
