#pragma once

#include "paraclip/image/image.h"

#include <string>

namespace paraclip {

/// A baseline JPEG of `image` (kRgb or kGray; 4:2:0). `quality` is libjpeg's, 1 to 100. Throws
/// kUsage.
std::string encode_jpeg(const Image& image, int quality);

}  // namespace paraclip
