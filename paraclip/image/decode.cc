#include "paraclip/image/decode.h"

#include "paraclip/base/error.h"
#include "paraclip/image/decoders.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace paraclip {

namespace {

using namespace std::string_view_literals;

struct Signature {
  size_t offset;
  std::string_view bytes;
  std::string_view name;
};

/// What else people call images, so that a refusal can name it.
constexpr std::array kOtherFormats = {
    Signature{0, "GIF8"sv, "GIF"},           Signature{0, "BM"sv, "BMP"},
    Signature{0, "II*\0"sv, "TIFF"},         Signature{0, "MM\0*"sv, "TIFF"},
    Signature{4, "ftypheic"sv, "HEIC"},      Signature{4, "ftypheix"sv, "HEIC"},
    Signature{4, "ftypmif1"sv, "HEIF"},      Signature{4, "ftypavif"sv, "AVIF"},
    Signature{4, "jP  "sv, "JPEG 2000"},     Signature{0, "\xff\x4f\xff\x51"sv, "JPEG 2000"},
    Signature{0, "\xff\x0a"sv, "JPEG XL"},   Signature{4, "JXL "sv, "JPEG XL"},
    Signature{0, "\0\0\1\0"sv, "ICO"},       Signature{0, "8BPS"sv, "Photoshop"},
    Signature{0, "%PDF"sv, "PDF"},           Signature{0, "<svg"sv, "SVG"},
    Signature{0, "<?xml"sv, "XML (or SVG)"}, Signature{0, "<!DOCTYPE"sv, "HTML"},
    Signature{0, "<html"sv, "HTML"},
};

bool has_at(std::string_view text, size_t offset, std::string_view bytes) {
  return text.size() >= offset && text.substr(offset).starts_with(bytes);
}

/// The first bytes, for a message.
std::string first_bytes(std::string_view text) {
  std::string shown;
  for (const char byte : text.substr(0, 8)) {
    shown += fmt::format("{}{:02x}", shown.empty() ? "" : " ", static_cast<unsigned char>(byte));
  }
  return shown;
}

[[noreturn]] void refuse(std::string_view text, const std::string& where) {
  if (text.empty()) fail(ErrorKind::kData, "{}: an empty file is no picture", where);
  for (const Signature& format : kOtherFormats) {
    if (has_at(text, format.offset, format.bytes)) {
      fail(ErrorKind::kData, "{}: this is {}; only JPEG, PNG and WebP can be read: convert it",
           where, format.name);
    }
  }
  fail(ErrorKind::kData, "{}: neither JPEG, PNG nor WebP: the file starts with {}", where,
       first_bytes(text));
}

}  // namespace

void EncodedImage::check_size(int64_t width, int64_t height) const {
  if (width <= 0 || height <= 0) {
    fail(ErrorKind::kData, "{}: the header says {}x{} pixels, which is no picture", where, width,
         height);
  }
  if (width > max_pixels / height) {
    fail(ErrorKind::kData,
         "{}: the header says {}x{} pixels, more than the {} allowed (--max-image-pixels)", where,
         width, height, max_pixels);
  }
}

Image decode_image(std::span<const std::byte> bytes, const std::string& where, int64_t max_pixels) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const EncodedImage encoded{bytes, where, max_pixels};
  if (has_at(text, 0, "\xff\xd8\xff")) return decode_jpeg(encoded);
  if (has_at(text, 0, "\x89PNG\r\n\x1a\n")) return decode_png(encoded);
  if (has_at(text, 0, "RIFF") && has_at(text, 8, "WEBP")) return decode_webp(encoded);
  refuse(text, where);
}

}  // namespace paraclip
