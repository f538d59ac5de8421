#include "paraclip/image/encode.h"

#include "paraclip/base/error.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// After <cstdio>: the header uses FILE without including it.
#include <jpeglib.h>

namespace paraclip {

namespace {

/// libjpeg leaves by a jump, which no C++ object may be in the way of: this holds everything.
class JpegWriter {
 public:
  JpegWriter() {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr info) {
      std::longjmp(static_cast<JpegWriter*>(info->client_data)->jump_, 1);
    };
    errors_.emit_message = [](j_common_ptr, int) {};
    info_.client_data = this;
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;
  ~JpegWriter() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }

  /// False where libjpeg gave up.
  bool write(const Image& image, int quality) {
    if (setjmp(jump_) != 0) return false;
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &bytes_, &size_);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.input_components = bytes_per_pixel(image.mode);
    info_.in_color_space = image.mode == PixelMode::kGray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, /*force_baseline=*/TRUE);
    jpeg_start_compress(&info_, /*write_all_tables=*/TRUE);
    while (info_.next_scanline < info_.image_height) {
      auto* row = const_cast<JSAMPROW>(image.row(static_cast<int>(info_.next_scanline)));
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }

  std::string bytes() const { return {reinterpret_cast<const char*>(bytes_), size_}; }

 private:
  jpeg_compress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  std::jmp_buf jump_ = {};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::string encode_jpeg(const Image& image, int quality) {
  if (image.mode != PixelMode::kRgb && image.mode != PixelMode::kGray) {
    fail(ErrorKind::kUsage, "a JPEG is written of an RGB or gray picture, not of mode {}",
         mode_name(image.mode));
  }
  if (quality < 1 || quality > 100) {
    fail(ErrorKind::kUsage, "the JPEG quality is {}; it must lie between 1 and 100", quality);
  }
  JpegWriter writer;
  if (image.width < 1 || image.height < 1 || !writer.write(image, quality)) {
    fail(ErrorKind::kUsage, "a picture of {}x{} pixels cannot be a JPEG (1 to 65500 a side)",
         image.width, image.height);
  }
  return writer.bytes();
}

}  // namespace paraclip
