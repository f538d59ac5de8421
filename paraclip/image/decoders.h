#pragma once

#include "paraclip/image/image.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace paraclip {

/// What a decoder of one format is given.
struct EncodedImage {
  std::span<const std::byte> bytes;
  const std::string& where;
  int64_t max_pixels;

  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(bytes.data()); }

  /// Throws kData unless both sides are positive and the area is allowed.
  void check_size(int64_t width, int64_t height) const;
};

/// One decoder a format; decode_image chooses. Each throws kData.
Image decode_jpeg(const EncodedImage& encoded);
Image decode_png(const EncodedImage& encoded);
Image decode_webp(const EncodedImage& encoded);

}  // namespace paraclip
