#include "paraclip/image/preprocess.h"

#include "paraclip/base/error.h"
#include "paraclip/image/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace paraclip {
namespace {

Image gradient(int width, int height) {
  Image image(PixelMode::kRgb, width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.row(y)[3 * x] = static_cast<uint8_t>(x * 255 / std::max(width - 1, 1));
      image.row(y)[3 * x + 1] = static_cast<uint8_t>(y * 255 / std::max(height - 1, 1));
      image.row(y)[3 * x + 2] = 128;
    }
  }
  return image;
}

Preprocessing small(PreprocessFamily family, int size = 16) {
  Preprocessing preprocessing;
  preprocessing.family = family;
  preprocessing.image_size = preprocessing.resize_size = size;
  preprocessing.mean = {0, 0, 0};
  preprocessing.std = {1, 1, 1};
  return preprocessing;
}

std::vector<float> run(const Image& image, const Preprocessing& preprocessing) {
  const auto side = static_cast<size_t>(preprocessing.image_size);
  std::vector<float> out(3 * side * side);
  preprocess(image, preprocessing, out);
  return out;
}

std::vector<float> crop(const Image& image, double min_scale, uint64_t seed, int size = 16) {
  std::vector<float> out(static_cast<size_t>(3 * size * size));
  random_resized_crop(image, small(PreprocessFamily::kOpenClip, size), min_scale, seed, out);
  return out;
}

std::string refusal(const std::string& text, bool hf) {
  try {
    const Json config = parse_json(text, "config");
    hf ? Preprocessing::from_hf(config, "config") : Preprocessing::from_open_clip(config, "config");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
  return "accepted";
}

TEST(PreprocessTest, ReadsTheConfigOfOpenAiCheckpoints) {
  const Json config = parse_json(R"({"crop_size": 336, "do_center_crop": true, "do_normalize": true,
      "do_resize": true, "feature_extractor_type": "CLIPFeatureExtractor",
      "image_mean": [0.5, 0.25, 0.125], "image_std": [1, 2, 4], "resample": 3, "size": 336})",
                                 "config");
  const auto preprocessing = Preprocessing::from_hf(config, "config");
  EXPECT_EQ(preprocessing.family, PreprocessFamily::kHf);
  EXPECT_EQ(preprocessing.image_size, 336);
  EXPECT_EQ(preprocessing.resize_mode, ResizeMode::kShortest);
  EXPECT_EQ(preprocessing.to_json(),
            parse_json(R"({"family": "hf", "image_size": 336, "resize_mode": "shortest",
                "resize_size": 336, "interpolation": "bicubic",
                "rescale_factor": 0.00392156862745098, "mean": [0.5, 0.25, 0.125],
                "std": [1.0, 2.0, 4.0]})",
                       "expected"));
}

TEST(PreprocessTest, RefusesByNameWhatItDoesNotDo) {
  const std::pair<const char*, const char*> hf[] = {
      {R"({"resample": 2})", "\"resample\": 2"},
      {R"({"do_convert_rgb": false})", "\"do_convert_rgb\""},
      {R"({"do_center_crop": false})", "\"do_center_crop\""},
      {R"({"do_pad": true})", "\"do_pad\""},
      {R"({"size": {"shortest_edge": 224, "longest_edge": 300}})", "longest_edge"},
      {R"({"size": {"height": 224, "width": 200}})", "square"},
      {R"({"crop_size": {"height": 224, "width": 200}})", "square"},
      {R"({"size": 0})", "\"size\" is 0"},
      {R"({"crop_size": 1e9})", "\"crop_size\""},
      {R"({"image_mean": [1, 2]})", "\"image_mean\""},
      {R"({"image_std": [1, 0, 1]})", "deviation"},
      {R"({"do_resize": 1})", "\"do_resize\" is 1"},
      {R"({"image_processor_type": "SiglipImageProcessor"})", "SiglipImageProcessor"},
      {R"([])", "expected a JSON object"},
  };
  for (const auto& [text, expected] : hf) {
    EXPECT_NE(refusal(text, /*hf=*/true).find(expected), std::string::npos)
        << text << ": " << refusal(text, /*hf=*/true);
  }
  const std::pair<const char*, const char*> open_clip[] = {
      {R"({"preprocess_cfg": {"interpolation": "bilinear"}})", "\"interpolation\": \"bilinear\""},
      {R"({"preprocess_cfg": {"resize_mode": "fit"}})", "\"resize_mode\": \"fit\""},
      {R"({"preprocess_cfg": {"fill_color": 255}})", "\"fill_color\""},
      {R"({"preprocess_cfg": {"mode": "L"}})", "\"mode\""},
      {R"({"preprocess_cfg": []})", "preprocess_cfg"},
      {R"({"model_cfg": {"vision_cfg": {"image_size": [224, 288]}}})", "square"},
  };
  for (const auto& [text, expected] : open_clip) {
    EXPECT_NE(refusal(text, /*hf=*/false).find(expected), std::string::npos)
        << text << ": " << refusal(text, /*hf=*/false);
  }
}

TEST(PreprocessTest, RefusesAPictureThatWouldVanish) {
  Preprocessing longest = small(PreprocessFamily::kOpenClip);
  longest.resize_mode = ResizeMode::kLongest;
  EXPECT_THROW(run(gradient(1, 1000), longest), Error);
  std::vector<float> too_small(10);
  EXPECT_THROW(preprocess(gradient(9, 9), longest, too_small), Error);
}

TEST(PreprocessTest, TransparentPixelsAreWhiteOrDroppedByFamily) {
  Image image(PixelMode::kRgba, 16, 16);  // Black, transparent.
  EXPECT_EQ(run(image, small(PreprocessFamily::kOpenClip)), std::vector<float>(768, 0.0F));
  EXPECT_EQ(run(image, small(PreprocessFamily::kHf)), std::vector<float>(768, 1.0F));
  Image gray(PixelMode::kGray, 16, 16);
  gray.transparent_color = {0};
  EXPECT_EQ(run(gray, small(PreprocessFamily::kOpenClip)), std::vector<float>(768, 0.0F));
  EXPECT_EQ(run(gray, small(PreprocessFamily::kHf)), std::vector<float>(768, 1.0F));
}

TEST(RandomCropTest, IsAFunctionOfTheSeed) {
  const Image image = gradient(90, 70);
  std::set<std::vector<float>> different;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(crop(image, 0.5, seed), crop(image, 0.5, seed));
    different.insert(crop(image, 0.5, seed));
  }
  EXPECT_EQ(different.size(), 20);
}

TEST(RandomCropTest, TakesPartsOfTheAskedSize) {
  // The red plane runs from 0 to 1 over the width, green over the height: they tell the crop.
  const Image image = gradient(400, 400);
  double smallest = 1;
  double largest = 0;
  double mean_left = 0;
  constexpr int kCrops = 300;
  for (uint64_t seed = 0; seed < kCrops; ++seed) {
    const std::vector<float> out = crop(image, 0.3, seed);
    const double width = (out[15] - out[0]) * 16.0 / 15.0;
    const double height = (out[256 + 240] - out[256]) * 16.0 / 15.0;
    const double ratio = width / height;
    EXPECT_GT(ratio, 0.72);
    EXPECT_LT(ratio, 1.39);
    smallest = std::min(smallest, width * height);
    largest = std::max(largest, width * height);
    mean_left += (out[0] - width / 32) / (1 - width + 1e-9) / kCrops;
  }
  EXPECT_NEAR(smallest, 0.3, 0.03);
  EXPECT_GT(largest, 0.85);
  EXPECT_NEAR(mean_left, 0.5, 0.08);
}

TEST(RandomCropTest, FallsBackToTheMiddle) {
  // No shape between 3:4 and 4:3 of a tenth of the area fits into a line.
  const Image line = gradient(400, 4);
  const std::vector<float> out = crop(line, 0.9, /*seed=*/3, /*size=*/8);
  const Image middle = resize_bicubic(line, {197, 0, 5, 4}, 8, 8, {0, 0, 8, 8});
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(out[i], static_cast<float>(middle.pixels[3 * i]) / 255);
}

TEST(RandomCropTest, RefusesAScaleOutOfRange) {
  for (const double scale : {0.0, -1.0, 1.5, std::nan("")}) {
    EXPECT_THROW(crop(gradient(9, 9), scale, 1), Error);
  }
}

}  // namespace
}  // namespace paraclip
