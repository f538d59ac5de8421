#include "paraclip/base/error.h"
#include "paraclip/image/decoders.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>

namespace paraclip {

namespace {

const char* status_text(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file ends before the picture does (cut short?)";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "an unsupported feature";
    default: return "the bitstream is damaged";
  }
}

}  // namespace

Image decode_webp(const EncodedImage& encoded) {
  const auto stop = [&](const char* part, const char* why) {
    fail(ErrorKind::kData, "{}: cannot read the {} of the WebP: {}", encoded.where, part, why);
  };
  WebPBitstreamFeatures features;
  const size_t size = encoded.bytes.size();
  const VP8StatusCode status = WebPGetFeatures(encoded.data(), size, &features);
  if (status != VP8_STATUS_OK) stop("header", status_text(status));
  encoded.check_size(features.width, features.height);

  // The animation decoder, as in Pillow: it reads stills too and lays a frame on its canvas.
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const WebPData data = {encoded.data(), size};
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(
      WebPAnimDecoderNew(&data, &options), &WebPAnimDecoderDelete);
  if (decoder == nullptr) stop("header", "the container is damaged or cut short");
  uint8_t* canvas = nullptr;
  int timestamp = 0;
  if (WebPAnimDecoderGetNext(decoder.get(), &canvas, &timestamp) == 0) {
    stop("data", "the first frame is damaged or cut short");
  }

  Image image(features.has_alpha != 0 ? PixelMode::kRgba : PixelMode::kRgb, features.width,
              features.height);
  if (image.mode == PixelMode::kRgba) {
    std::memcpy(image.pixels.data(), canvas, image.pixels.size());
    return image;
  }
  uint8_t* out = image.pixels.data();
  for (size_t i = 0; i < image.pixels.size(); i += 3, canvas += 4) {
    std::memcpy(out + i, canvas, 3);
  }
  return image;
}

}  // namespace paraclip
