#include "paraclip/image/decode.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/image/encode.h"
#include "tests/image/golden.h"

#include <gtest/gtest.h>

#include <utility>

namespace paraclip {
namespace {

Image decode(const std::string& bytes, int64_t max_pixels = kDefaultMaxPixels) {
  return decode_image(std::as_bytes(std::span(bytes)), "photo", max_pixels);
}

/// What decoding says, "" where it succeeds.
std::string message_of(const std::string& bytes, int64_t max_pixels = kDefaultMaxPixels) {
  try {
    decode(bytes, max_pixels);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_TRUE(std::string(error.what()).starts_with("photo: ")) << error.what();
    return error.what();
  }
  return "";
}

Image gradient(int width, int height) {
  Image image(PixelMode::kRgb, width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < 3 * width; ++x) image.row(y)[x] = static_cast<uint8_t>(2 * x + 3 * y);
  }
  return image;
}

TEST(DecodeTest, NamesTheFormatItRefuses) {
  const std::pair<std::string, std::string> cases[] = {
      {"GIF89a\1\0\1\0", "this is GIF"},
      {"BM\x46\0\0\0\0\0", "this is BMP"},
      {std::string("II*\0\x08\0\0\0", 8), "this is TIFF"},
      {std::string("\0\0\0\x18"
                   "ftypheic",
                   12),
       "this is HEIC"},
      {std::string("\0\0\0\x18"
                   "ftypavif",
                   12),
       "this is AVIF"},
      {"<!DOCTYPE html>", "this is HTML"},
      {"hello", "starts with 68 65 6c 6c 6f"},
      {"", "an empty file"},
  };
  for (const auto& [bytes, expected] : cases) {
    EXPECT_NE(message_of(bytes).find(expected), std::string::npos) << message_of(bytes);
  }
}

TEST(DecodeTest, RefusesEveryTruncation) {
  const test::ImageGolden golden;
  for (const Json& picture : golden.pictures()) {
    const std::string file = picture.at("file");
    const std::string bytes = golden.bytes(file);
    const Image whole = decode(bytes);
    for (size_t size = 0; size < bytes.size(); ++size) {
      try {
        // What is accepted lacks only what comes after the last pixel.
        EXPECT_EQ(decode(bytes.substr(0, size)).pixels, whole.pixels) << file << ", " << size;
        EXPECT_GT(size + 20, bytes.size()) << file;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kData);
      }
    }
  }
}

TEST(DecodeTest, SaysThatAFileIsCutShort) {
  const std::string jpeg = encode_jpeg(gradient(100, 80), /*quality=*/90);
  const std::string message = message_of(jpeg.substr(0, jpeg.size() / 2));
  EXPECT_NE(message.find("cut short"), std::string::npos) << message;
  EXPECT_NE(message.find(fmt::format("after {} bytes", jpeg.size() / 2)), std::string::npos);
}

TEST(DecodeTest, SurvivesDamage) {
  const test::ImageGolden golden;
  uint64_t state = 1;
  int refused = 0;
  for (const Json& picture : golden.pictures()) {
    const std::string bytes = golden.bytes(picture.at("file"));
    for (int round = 0; round < 60; ++round) {
      std::string damaged = bytes;
      for (int i = 0; i < 3; ++i) {
        state = mix64(state);
        damaged[state % damaged.size()] = static_cast<char>(state >> 40);
      }
      refused += message_of(damaged, /*max_pixels=*/1'000'000).empty() ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(DecodeTest, ChecksTheSizeBeforeItTakesMemory) {
  // Headers that promise 60,000 x 60,000 pixels, with nothing behind them.
  std::string jpeg = encode_jpeg(gradient(8, 8), /*quality=*/90);
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xea\x60\xea\x60");
  EXPECT_NE(message_of(jpeg).find("60000x60000 pixels, more than the 25000000 allowed"),
            std::string::npos)
      << message_of(jpeg);

  const std::string small = encode_jpeg(gradient(100, 100), /*quality=*/90);
  EXPECT_EQ(message_of(small, /*max_pixels=*/10'000), "");
  EXPECT_NE(message_of(small, /*max_pixels=*/9'999), "");
  const test::ImageGolden golden;
  for (const Json& picture : golden.pictures()) {
    const std::string message = message_of(golden.bytes(picture.at("file")), /*max_pixels=*/200);
    EXPECT_NE(message.find("more than the 200 allowed"), std::string::npos) << message;
  }
}

TEST(DecodeTest, ReadsBackWhatItWrote) {
  const Image image = gradient(64, 48);
  const Image read = decode(encode_jpeg(image, /*quality=*/95));
  ASSERT_EQ(read.pixels.size(), image.pixels.size());
  double error = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i)
    error += std::abs(read.pixels[i] - image.pixels[i]);
  EXPECT_LT(error / static_cast<double>(image.pixels.size()), 40);
  EXPECT_LT(encode_jpeg(image, /*quality=*/30).size(), encode_jpeg(image, /*quality=*/95).size());
  Image gray(PixelMode::kGray, 9, 5);
  gray.pixels.assign(gray.pixels.size(), 77);
  EXPECT_EQ(decode(encode_jpeg(gray, /*quality=*/100)).pixels, gray.pixels);
}

TEST(EncodeTest, RefusesWhatIsNoJpeg) {
  EXPECT_THROW(encode_jpeg(Image(PixelMode::kRgba, 4, 4), /*quality=*/90), Error);
  EXPECT_THROW(encode_jpeg(gradient(4, 4), /*quality=*/0), Error);
  EXPECT_THROW(encode_jpeg(Image(PixelMode::kRgb, 0, 4), /*quality=*/90), Error);
  EXPECT_THROW(encode_jpeg(Image(PixelMode::kGray, 70000, 1), /*quality=*/90), Error);
}

}  // namespace
}  // namespace paraclip
