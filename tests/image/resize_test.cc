#include "paraclip/image/resize.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/image/resample.h"

#include <gtest/gtest.h>

#include <array>

namespace paraclip {
namespace {

constexpr std::array kModes = {PixelMode::kGray,   PixelMode::kGrayAlpha, PixelMode::kRgb,
                               PixelMode::kRgba,   PixelMode::kPalette,   PixelMode::kBilevel,
                               PixelMode::kGray16, PixelMode::kCmyk};

Image noise(PixelMode mode, int width, int height) {
  Image image(mode, width, height);
  uint64_t state = static_cast<uint64_t>(width) * 1000 + static_cast<uint64_t>(height);
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>((state = mix64(state)) >> 13);
  return image;
}

Image cut(const Image& image, const Rectangle& part) {
  Image out = image.same_kind(part.width, part.height);
  const int pixel = bytes_per_pixel(image.mode);
  for (int y = 0; y < part.height; ++y) {
    std::copy_n(image.row(part.top + y) + part.left * pixel, out.row_bytes(), out.row(y));
  }
  return out;
}

TEST(ResizeTest, EveryProcessorGivesTheSameBytes) {
  Resampler fast(best_kernels());
  Resampler portable(portable_kernels());
  uint64_t state = 7;
  const auto side = [&](uint64_t most) {
    return static_cast<int>((state = mix64(state)) % most) + 1;
  };
  for (int round = 0; round < 400; ++round) {
    const auto mode = std::array{PixelMode::kGray, PixelMode::kGrayAlpha, PixelMode::kRgb,
                                 PixelMode::kCmyk}[static_cast<size_t>(round % 4)];
    const Image image = noise(mode, side(150), side(150));
    const Axis horizontal = {image.width, side(120), 0, 0};
    const Axis vertical = {image.height, side(120), 0, 0};
    const auto part = [&](Axis axis) {
      axis.first = side(static_cast<uint64_t>(axis.out)) - 1;
      axis.count = side(static_cast<uint64_t>(axis.out - axis.first));
      return axis;
    };
    const Axis across = part(horizontal);
    const Axis down = part(vertical);
    const int channels = bytes_per_pixel(mode);
    const PixelView view = {image.pixels.data(), image.row_bytes(), image.width, image.height};
    std::vector<uint8_t> first(static_cast<size_t>(across.count * down.count * channels));
    std::vector<uint8_t> second(first.size());
    fast(view, channels, across, down, first.data());
    portable(view, channels, across, down, second.data());
    ASSERT_EQ(first, second) << image.width << "x" << image.height << " to " << across.out << "x"
                             << down.out;
  }
}

TEST(ResizeTest, AWindowIsPartOfTheWhole) {
  for (const PixelMode mode : kModes) {
    Image image = noise(mode, 40, 31);
    for (const auto& [width, height] : {std::pair{17, 50}, {80, 9}, {40, 12}, {13, 31}, {40, 31}}) {
      const Image whole = resize_bicubic(image, width, height);
      const Rectangle window = {3, 2, width / 2, height / 2};
      const Image part = resize_bicubic(image, {0, 0, 40, 31}, width, height, window);
      EXPECT_EQ(part.pixels, cut(whole, window).pixels) << mode_name(mode) << " " << width;
    }
  }
}

TEST(ResizeTest, ASourceRectangleIsCutFirst) {
  const Rectangle source = {5, 7, 21, 19};
  for (const PixelMode mode : kModes) {
    const Image image = noise(mode, 40, 31);
    const Image direct = resize_bicubic(image, source, 30, 9, {0, 0, 30, 9});
    EXPECT_EQ(direct.pixels, resize_bicubic(cut(image, source), 30, 9).pixels) << mode_name(mode);
  }
}

TEST(ResizeTest, TheSameSizeChangesNothing) {
  for (const PixelMode mode : kModes) {
    const Image image = noise(mode, 12, 7);
    EXPECT_EQ(resize_bicubic(image, 12, 7).pixels, image.pixels) << mode_name(mode);
  }
}

TEST(ResizeTest, OneColorStays) {
  for (const PixelMode mode : {PixelMode::kRgb, PixelMode::kCmyk, PixelMode::kGray}) {
    Image image(mode, 200, 3);
    image.pixels.assign(image.pixels.size(), 201);
    for (const uint8_t value : resize_bicubic(image, 31, 90).pixels) ASSERT_EQ(value, 201);
  }
}

TEST(ResizeTest, ExtremeShapesNeedLittleMemory) {
  Image line(PixelMode::kRgb, 1, 3'000'000);
  line.row(1'500'000)[0] = 255;
  // The whole would be 224 x 672,000,000 pixels.
  const Image part =
      resize_bicubic(line, {0, 0, 1, line.height}, 224, 672'000'000, {0, 336'000'000, 224, 224});
  Image short_line(PixelMode::kRgb, 1, 100);
  short_line.row(50)[0] = 255;
  const Image expected = cut(resize_bicubic(short_line, 224, 22'400), {0, 11'200, 224, 224});
  EXPECT_EQ(part.pixels, expected.pixels);
  EXPECT_EQ(part.pixels.front(), 144);  // 255 * bicubic(0.498)
}

TEST(ResizeTest, RefusesAnEmptyResult) {
  const Image image = noise(PixelMode::kRgb, 4, 4);
  EXPECT_THROW(resize_bicubic(image, 0, 5), Error);
  EXPECT_THROW(resize_bicubic(image, 5, -1), Error);
}

}  // namespace
}  // namespace paraclip
