#include "paraclip/base/error.h"
#include "paraclip/image/decode.h"
#include "paraclip/image/preprocess.h"

#include <array>
#include <cstdlib>
#include <span>

// Any bytes are a picture, which both families can preprocess, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto image = paraclip::decode_image(std::as_bytes(std::span(data, size)), "input",
                                              /*max_pixels=*/200'000);
    if (image.pixels.size() != image.row_bytes() * static_cast<size_t>(image.height)) std::abort();
    paraclip::Preprocessing preprocessing;
    preprocessing.image_size = preprocessing.resize_size = 16;
    std::array<float, 3 * 16 * 16> out;
    for (const auto family :
         {paraclip::PreprocessFamily::kOpenClip, paraclip::PreprocessFamily::kHf}) {
      preprocessing.family = family;
      paraclip::preprocess(image, preprocessing, out);
    }
    paraclip::random_resized_crop(image, preprocessing, /*min_scale=*/0.1, /*seed=*/size, out);
  } catch (const paraclip::Error&) {
  }
  return 0;
}
