#pragma once

#include "paraclip/image/image.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace paraclip {

/// The largest picture that is decoded unless the caller says otherwise, in pixels.
constexpr int64_t kDefaultMaxPixels = 25'000'000;

/// Decodes a JPEG, PNG or WebP (of an animation its first frame) to the mode and the pixels that
/// Pillow gives. The kind is told by the first bytes. EXIF orientation is ignored, as CLIP's
/// pipelines do. `where` names the picture in messages.
///
/// The size is checked against `max_pixels` before memory is taken for it. Throws kData for
/// another format, a picture that is too large, damaged or cut short.
Image decode_image(std::span<const std::byte> bytes, const std::string& where,
                   int64_t max_pixels = kDefaultMaxPixels);

}  // namespace paraclip
