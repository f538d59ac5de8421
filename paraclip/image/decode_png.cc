#include "paraclip/base/error.h"
#include "paraclip/image/decoders.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <bit>
#include <csetjmp>
#include <cstdio>
#include <cstring>

namespace paraclip {

namespace {

/// libpng leaves by a jump, which no C++ object may be in the way of: this holds everything.
class PngReader {
 public:
  explicit PngReader(const EncodedImage& encoded) : encoded_(encoded) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &PngReader::on_error,
                                  [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      fail(ErrorKind::kIo, "{}: out of memory for the PNG decoder", encoded_.where);
    }
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Image read() {
    if (!read_header()) fail_with_message("header");
    encoded_.check_size(png_get_image_width(png_, info_), png_get_image_height(png_, info_));
    image_ = Image(choose_mode(), static_cast<int>(png_get_image_width(png_, info_)),
                   static_cast<int>(png_get_image_height(png_, info_)));
    read_palette();
    if (!choose_transformations()) fail_with_message("header");
    // 16-bit gray with alpha comes as two bytes a pixel and is RGBA to Pillow.
    const bool widen = image_.mode == PixelMode::kRgba && png_get_channels(png_, info_) == 2;
    if (png_get_rowbytes(png_, info_) * (widen ? 2 : 1) != image_.row_bytes()) {
      fail(ErrorKind::kData, "{}: the PNG's rows have {} bytes where {} pixels in mode {} need {}",
           encoded_.where, png_get_rowbytes(png_, info_), image_.width, mode_name(image_.mode),
           image_.row_bytes());
    }
    for (int y = 0; y < image_.height; ++y) rows_.push_back(image_.row(y));
    if (!read_pixels()) fail_with_message("data");
    if (widen) widen_gray_alpha();
    if (image_.mode == PixelMode::kBilevel) {
      for (uint8_t& value : image_.pixels) value = value != 0 ? 255 : 0;
    }
    return std::move(image_);
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& reader = *static_cast<PngReader*>(png_get_error_ptr(png));
    if (reader.message_[0] == '\0') {
      std::snprintf(reader.message_.data(), reader.message_.size(), "%s", message);
    }
    std::longjmp(reader.jump_, 1);
  }

  static void on_read(png_structp png, png_bytep out, size_t count) {
    auto& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
    const size_t size = reader.encoded_.bytes.size();
    if (count > size - reader.position_) {
      std::snprintf(reader.message_.data(), reader.message_.size(),
                    "the file ends after %zu bytes, before the picture does (cut short?)", size);
      std::longjmp(reader.jump_, 1);
    }
    std::memcpy(out, reader.encoded_.data() + reader.position_, count);
    reader.position_ += count;
  }

  [[noreturn]] void fail_with_message(const char* part) const {
    fail(ErrorKind::kData, "{}: cannot read the {} of the PNG: {}", encoded_.where, part,
         message_.data());
  }

  /// False where libpng gave up; message_ says why.
  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    png_set_read_fn(png_, this, &PngReader::on_read);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_size decides.
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    // Of what is not pixels only the transparency matters: profiles and texts are not unpacked.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, /*num_chunks=*/-1);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_AS_DEFAULT,
                                reinterpret_cast<png_const_bytep>("tRNS"), /*num_chunks=*/1);
    png_read_info(png_, info_);
    return true;
  }

  bool choose_transformations() {
    if (setjmp(jump_) != 0) return false;
    const int depth = png_get_bit_depth(png_, info_);
    if (depth < 8) {
      png_set_packing(png_);
      if (image_.mode == PixelMode::kGray) png_set_expand_gray_1_2_4_to_8(png_);
    }
    if (image_.mode == PixelMode::kGray16) {
      if (std::endian::native == std::endian::little) png_set_swap(png_);
    } else if (depth == 16) {
      png_set_strip_16(png_);  // The high byte, as Pillow.
    }
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read_pixels() {
    if (setjmp(jump_) != 0) return false;
    png_read_image(png_, rows_.data());
    return true;
  }

  PixelMode choose_mode() const {
    const int depth = png_get_bit_depth(png_, info_);
    switch (png_get_color_type(png_, info_)) {
      case PNG_COLOR_TYPE_GRAY:
        if (depth == 1) return PixelMode::kBilevel;
        return depth == 16 ? PixelMode::kGray16 : PixelMode::kGray;
      case PNG_COLOR_TYPE_GRAY_ALPHA: return depth == 16 ? PixelMode::kRgba : PixelMode::kGrayAlpha;
      case PNG_COLOR_TYPE_PALETTE: return PixelMode::kPalette;
      case PNG_COLOR_TYPE_RGB: return PixelMode::kRgb;
      default: return PixelMode::kRgba;
    }
  }

  /// The palette and the transparency, neither of which libpng applies to the pixels here.
  void read_palette() {
    png_bytep alphas = nullptr;
    png_color_16p color = nullptr;
    int alpha_count = 0;
    png_get_tRNS(png_, info_, &alphas, &alpha_count, &color);
    if (image_.mode == PixelMode::kPalette) {
      png_colorp colors = nullptr;
      int count = 0;
      png_get_PLTE(png_, info_, &colors, &count);
      image_.palette.resize(256);  // An index beyond the file's palette is black.
      for (size_t i = 0; i < static_cast<size_t>(std::clamp(count, 0, 256)); ++i) {
        image_.palette[i] = {colors[i].red, colors[i].green, colors[i].blue};
      }
      for (size_t i = 0; i < static_cast<size_t>(std::clamp(alpha_count, 0, 256)); ++i) {
        image_.palette[i].alpha = alphas[i];
      }
    } else if (image_.mode == PixelMode::kRgb && color != nullptr) {
      image_.transparent_color = {color->red, color->green, color->blue};
    } else if (image_.mode == PixelMode::kBilevel && color != nullptr) {
      image_.transparent_color = {static_cast<uint16_t>(color->gray != 0 ? 255 : 0)};
    } else if (color != nullptr) {
      image_.transparent_color = {color->gray};
    }
  }

  /// Rows of (gray, alpha) pairs in the first half of each row, to RGBA in place.
  void widen_gray_alpha() {
    for (int y = 0; y < image_.height; ++y) {
      uint8_t* row = image_.row(y);
      for (int x = image_.width - 1; x >= 0; --x) {
        const uint8_t gray = row[2 * x];
        const uint8_t alpha = row[2 * x + 1];
        row[4 * x] = row[4 * x + 1] = row[4 * x + 2] = gray;
        row[4 * x + 3] = alpha;
      }
    }
  }

  const EncodedImage& encoded_;
  size_t position_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_ = {};
  std::array<char, 200> message_ = {};
  std::vector<png_bytep> rows_;
  Image image_;
};

}  // namespace

Image decode_png(const EncodedImage& encoded) { return PngReader(encoded).read(); }

}  // namespace paraclip
