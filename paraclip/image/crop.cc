#include "paraclip/image/crop.h"

#include "paraclip/base/error.h"

#include <algorithm>

namespace paraclip {

Image crop_image(const Image& image, int64_t x, int64_t y, int64_t width, int64_t height) {
  constexpr int64_t kLargestSide = 65'535;
  if (width < 1 || height < 1 || width > kLargestSide || height > kLargestSide) {
    fail(ErrorKind::kUsage, "a part of {} x {} pixels was asked for; expected sides from 1 to {}",
         width, height, kLargestSide);
  }
  Image result = image.same_kind(static_cast<int>(width), static_cast<int>(height));
  const int64_t left = std::max<int64_t>(x, 0);
  const int64_t right = std::min<int64_t>(x + width, image.width);
  const auto pixel = static_cast<int64_t>(bytes_per_pixel(image.mode));
  if (left >= right) return result;
  for (int64_t row = std::max<int64_t>(y, 0); row < std::min<int64_t>(y + height, image.height);
       ++row) {
    const uint8_t* source = image.row(static_cast<int>(row));
    std::copy(source + left * pixel, source + right * pixel,
              result.row(static_cast<int>(row - y)) + (left - x) * pixel);
  }
  return result;
}

}  // namespace paraclip
