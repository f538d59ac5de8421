#include "paraclip/base/error.h"
#include "paraclip/image/decoders.h"

#include <array>
#include <csetjmp>
#include <cstdio>
// After <cstdio>: the header uses FILE without including it.
#include <jerror.h>
#include <jpeglib.h>

namespace paraclip {

namespace {

/// More scans than any encoder writes: a file of a few kilobytes can ask for hours of decoding.
constexpr int kMaxScans = 500;

/// libjpeg leaves by a jump, which no C++ object may be in the way of: this holds everything.
class JpegReader {
 public:
  explicit JpegReader(const EncodedImage& encoded) : encoded_(encoded) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr info) { self(info).stop(info); };
    // Pillow ignores warnings too: libjpeg goes on with what it could read.
    errors_.emit_message = [](j_common_ptr, int) {};
    info_.client_data = this;
    progress_.progress_monitor = [](j_common_ptr info) { self(info).check_scans(); };
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  Image read() {
    if (!read_header()) fail_with_message("header");
    encoded_.check_size(info_.image_width, info_.image_height);
    image_ = Image(choose_mode(), static_cast<int>(info_.image_width),
                   static_cast<int>(info_.image_height));
    if (!read_pixels()) fail_with_message("data");
    if (image_.mode == PixelMode::kCmyk) {
      // Pillow takes every CMYK JPEG for one of Adobe's, which store the inverse.
      for (uint8_t& value : image_.pixels) value = static_cast<uint8_t>(255 - value);
    }
    return std::move(image_);
  }

 private:
  static JpegReader& self(j_common_ptr info) {
    return *static_cast<JpegReader*>(info->client_data);
  }

  [[noreturn]] void stop(j_common_ptr info) {
    if (message_[0] == '\0') errors_.format_message(info, message_.data());
    std::longjmp(jump_, 1);
  }

  void check_scans() {
    if (info_.input_scan_number <= kMaxScans) return;
    std::snprintf(message_.data(), message_.size(), "more than %d scans", kMaxScans);
    std::longjmp(jump_, 1);
  }

  [[noreturn]] void fail_with_message(const char* part) const {
    fail(ErrorKind::kData, "{}: cannot read the {} of the JPEG: {}", encoded_.where, part,
         message_.data());
  }

  /// False where libjpeg gave up; message_ says why.
  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    set_source();
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool read_pixels() {
    // Like Pillow content with a file that lacks nothing but the end marker.
    if (setjmp(jump_) != 0) return cut_short_ && info_.output_scanline == info_.output_height;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = image_.row(static_cast<int>(info_.output_scanline));
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  /// A source that ends where the bytes end. libjpeg's own would invent an end marker and return a
  /// picture that is partly gray.
  void set_source() {
    source_.next_input_byte = encoded_.data();
    source_.bytes_in_buffer = encoded_.bytes.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr info) -> boolean {
      return end_of_data(info), FALSE;
    };
    source_.skip_input_data = [](j_decompress_ptr info, long count) {
      if (count <= 0) return;
      if (static_cast<size_t>(count) > info->src->bytes_in_buffer) end_of_data(info);
      info->src->next_input_byte += count;
      info->src->bytes_in_buffer -= static_cast<size_t>(count);
    };
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    info_.src = &source_;
  }

  [[noreturn]] static void end_of_data(j_decompress_ptr info) {
    JpegReader& reader = self(reinterpret_cast<j_common_ptr>(info));
    reader.cut_short_ = true;
    std::snprintf(reader.message_.data(), reader.message_.size(),
                  "the file ends after %zu bytes, before the picture does (cut short?)",
                  reader.encoded_.bytes.size());
    std::longjmp(reader.jump_, 1);
  }

  PixelMode choose_mode() {
    switch (info_.num_components) {
      case 1: info_.out_color_space = JCS_GRAYSCALE; return PixelMode::kGray;
      case 3: info_.out_color_space = JCS_RGB; return PixelMode::kRgb;
      case 4: info_.out_color_space = JCS_CMYK; return PixelMode::kCmyk;
      default:
        fail(ErrorKind::kData, "{}: a JPEG with {} components; 1, 3 or 4 can be read",
             encoded_.where, info_.num_components);
    }
  }

  const EncodedImage& encoded_;
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_source_mgr source_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf jump_ = {};
  std::array<char, JMSG_LENGTH_MAX> message_ = {};
  bool cut_short_ = false;
  Image image_;
};

}  // namespace

Image decode_jpeg(const EncodedImage& encoded) { return JpegReader(encoded).read(); }

}  // namespace paraclip
