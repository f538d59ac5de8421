#include "paraclip/image/preprocess.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/image/resize.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace paraclip {

namespace {

/// What every byte becomes, a row a channel: the same floating-point steps as the reference, once.
using Normalization = std::array<std::array<float, 256>, 3>;

Normalization make_normalization(const Preprocessing& preprocessing) {
  Normalization table;
  for (size_t c = 0; c < 3; ++c) {
    const auto mean = static_cast<float>(preprocessing.mean[c]);
    const auto std = static_cast<float>(preprocessing.std[c]);
    for (int byte = 0; byte < 256; ++byte) {
      // torchvision's to_tensor divides in float; transformers multiplies in double, then rounds.
      const float scaled = preprocessing.family == PreprocessFamily::kOpenClip
                               ? static_cast<float>(byte) / 255.0F
                               : static_cast<float>(byte * preprocessing.rescale_factor);
      table[c][static_cast<size_t>(byte)] = (scaled - mean) / std;
    }
  }
  return table;
}

/// Python's round(): halves go to the even side.
int round_even(double value) { return static_cast<int>(std::nearbyint(value)); }

int checked_side(double side) {
  if (side < 1 || side > std::numeric_limits<int>::max()) {
    fail(ErrorKind::kData, "a picture so narrow cannot be resized: a side would have {} pixels",
         side);
  }
  return static_cast<int>(side);
}

struct Size {
  int width, height;
};

Size resized_size(const Image& image, const Preprocessing& preprocessing) {
  const double size = preprocessing.resize_size;
  const double width = image.width;
  const double height = image.height;
  switch (preprocessing.resize_mode) {
    case ResizeMode::kNone: return {image.width, image.height};
    case ResizeMode::kSquash: return {preprocessing.resize_size, preprocessing.resize_size};
    case ResizeMode::kShortest:  // int(size * long / short), in torchvision and transformers.
      if (width <= height) {
        return {preprocessing.resize_size, checked_side(std::floor(size * height / width))};
      }
      return {checked_side(std::floor(size * width / height)), preprocessing.resize_size};
    case ResizeMode::kLongest: {  // open_clip's ResizeKeepRatio.
      const double ratio = std::max(width / size, height / size);
      return {checked_side(std::nearbyint(width / ratio)),
              checked_side(std::nearbyint(height / ratio))};
    }
  }
  return {};
}

/// Where one axis of the resized picture lies in the result.
struct Crop {
  int first;   ///< First place taken of the resized picture.
  int count;   ///< Places taken.
  int offset;  ///< Where they go in the result; around them is padding.
};

Crop center_crop(int resized, int size, PreprocessFamily family) {
  const bool open_clip = family == PreprocessFamily::kOpenClip;
  if (resized < size) {
    const int missing = size - resized;
    return {0, resized, open_clip ? missing / 2 : (missing + 1) / 2};
  }
  const int spare = resized - size;
  return {open_clip ? round_even(spare / 2.0) : spare / 2, size, 0};
}

/// Fills `out`, `[3, size, size]`, with what stands for the colour zero of `image`'s mode.
void fill_padding(const Image& image, const Normalization& table, std::span<float> out) {
  const Image zero = convert_to_rgb(image.same_kind(1, 1));
  const size_t area = out.size() / 3;
  for (size_t c = 0; c < 3; ++c) {
    std::fill_n(out.begin() + static_cast<ptrdiff_t>(c * area), area, table[c][zero.pixels[c]]);
  }
}

/// Writes an RGB picture into `out`, `[3, size, size]`, from column `left` and row `top` on.
void write_planes(const Image& rgb, const Normalization& table, int left, int top, int size,
                  std::span<float> out) {
  const auto area = static_cast<size_t>(size) * static_cast<size_t>(size);
  for (int y = 0; y < rgb.height; ++y) {
    const uint8_t* pixel = rgb.row(y);
    float* to = out.data() + static_cast<size_t>(top + y) * static_cast<size_t>(size) + left;
    for (int x = 0; x < rgb.width; ++x, pixel += 3) {
      to[x] = table[0][pixel[0]];
      to[area + static_cast<size_t>(x)] = table[1][pixel[1]];
      to[2 * area + static_cast<size_t>(x)] = table[2][pixel[2]];
    }
  }
}

/// The steps after the choice of the source rectangle and the size it gets.
void render(const Image& image, const Rectangle& source, Size size,
            const Preprocessing& preprocessing, std::span<float> out) {
  const Normalization table = make_normalization(preprocessing);
  const Crop across = center_crop(size.width, preprocessing.image_size, preprocessing.family);
  const Crop down = center_crop(size.height, preprocessing.image_size, preprocessing.family);
  const Rectangle window = {across.first, down.first, across.count, down.count};
  Image part = resize_bicubic(image, source, size.width, size.height, window);
  if (part.mode != PixelMode::kRgb) part = convert_to_rgb(part);
  if (across.count < preprocessing.image_size || down.count < preprocessing.image_size) {
    fill_padding(image, table, out);
  }
  write_planes(part, table, across.offset, down.offset, preprocessing.image_size, out);
}

/// Applies `run` to `image`, for the HF family after its conversion to RGB.
template <typename Run>
void in_family_order(const Image& image, const Preprocessing& preprocessing, std::span<float> out,
                     const Run& run) {
  const auto side = static_cast<size_t>(preprocessing.image_size);
  if (out.size() != 3 * side * side) {
    fail(ErrorKind::kUsage, "preprocessing writes 3x{0}x{0} values; there is room for {1}", side,
         out.size());
  }
  const bool plain = image.mode == PixelMode::kRgb && image.transparent_color.empty();
  if (preprocessing.family == PreprocessFamily::kHf && !plain) {
    run(flatten_to_rgb(image));
  } else {
    run(image);
  }
}

/// Uniform numbers in [0, 1), a pure function of the seed.
class UniformStream {
 public:
  explicit UniformStream(uint64_t seed) : state_(mix64(seed)) {}

  double next() { return static_cast<double>(mix64(state_++) >> 11) * 0x1p-53; }
  double between(double low, double high) { return low + (high - low) * next(); }
  /// A whole number from 0 to `last`, both included.
  int up_to(int last) { return std::min(static_cast<int>(next() * (last + 1.0)), last); }

 private:
  uint64_t state_;
};

/// torchvision's RandomResizedCrop.get_params with scale (min_scale, 1), ratio (3/4, 4/3).
Rectangle random_rectangle(int width, int height, double min_scale, uint64_t seed) {
  constexpr double kMinRatio = 3.0 / 4.0;
  constexpr double kMaxRatio = 4.0 / 3.0;
  constexpr int kTries = 10;
  UniformStream random(seed);
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < kTries; ++i) {
    const double target = area * random.between(min_scale, 1.0);
    const double ratio = std::exp(random.between(std::log(kMinRatio), std::log(kMaxRatio)));
    const int w = round_even(std::sqrt(target * ratio));
    const int h = round_even(std::sqrt(target / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const int top = random.up_to(height - h);
      return {random.up_to(width - w), top, w, h};
    }
  }
  // The largest rectangle of an allowed shape in the middle.
  const double ratio = static_cast<double>(width) / height;
  int w = width;
  int h = height;
  if (ratio < kMinRatio) h = std::min(round_even(w / kMinRatio), height);
  if (ratio > kMaxRatio) w = std::min(round_even(h * kMaxRatio), width);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

}  // namespace

void preprocess(const Image& image, const Preprocessing& preprocessing, std::span<float> out) {
  in_family_order(image, preprocessing, out, [&](const Image& input) {
    const Rectangle whole = {0, 0, input.width, input.height};
    render(input, whole, resized_size(input, preprocessing), preprocessing, out);
  });
}

void random_resized_crop(const Image& image, const Preprocessing& preprocessing, double min_scale,
                         uint64_t seed, std::span<float> out) {
  if (!(min_scale > 0 && min_scale <= 1)) {
    fail(ErrorKind::kUsage, "the smallest part of a random crop is {}; it must lie in (0, 1]",
         min_scale);
  }
  in_family_order(image, preprocessing, out, [&](const Image& input) {
    const Rectangle part = random_rectangle(input.width, input.height, min_scale, seed);
    render(input, part, {preprocessing.image_size, preprocessing.image_size}, preprocessing, out);
  });
}

}  // namespace paraclip
