#include "paraclip/image/preprocess.h"
#include "paraclip/image/resize.h"
#include "tests/image/golden.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

const test::ImageGolden& golden() {
  static const test::ImageGolden golden;
  return golden;
}

/// One picture of the golden folder; its file names the test.
class ImageGoldenTest : public testing::TestWithParam<size_t> {
 protected:
  const Json& picture() const { return golden().pictures().at(GetParam()); }
  Image image() const { return golden().decode(picture().at("file")); }
};

TEST_P(ImageGoldenTest, DecodesAsPillow) {
  const Image decoded = image();
  EXPECT_EQ(mode_name(decoded.mode), picture().at("mode").get<std::string>());
  EXPECT_EQ(decoded.width, picture().at("width").get<int>());
  EXPECT_EQ(decoded.height, picture().at("height").get<int>());
  EXPECT_EQ(decoded.pixels, golden().expected<uint8_t>(picture().at("decoded")));
}

TEST_P(ImageGoldenTest, ConvertsToRgbAsPillow) {
  EXPECT_EQ(convert_to_rgb(image()).pixels, golden().expected<uint8_t>(picture().at("rgb")));
}

TEST_P(ImageGoldenTest, ResizesAsPillow) {
  for (const Json& resized : picture().at("resized")) {
    const Image result = resize_bicubic(image(), resized.at("width"), resized.at("height"));
    EXPECT_EQ(result.pixels, golden().expected<uint8_t>(resized.at("at"))) << resized;
  }
}

TEST_P(ImageGoldenTest, PreprocessesAsItsFamily) {
  for (const Json& entry : picture().at("preprocessed")) {
    const Json& config = entry.at("config");
    const auto preprocessing = config.contains("model_cfg")
                                   ? Preprocessing::from_open_clip(config, "golden")
                                   : Preprocessing::from_hf(config, "golden");
    const auto expected = golden().expected<float>(entry.at("at"));
    std::vector<float> out(expected.size());
    preprocess(image(), preprocessing, out);
    EXPECT_EQ(out, expected) << config;
  }
}

INSTANTIATE_TEST_SUITE_P(Pictures, ImageGoldenTest,
                         testing::Range<size_t>(0, golden().pictures().size()),
                         [](const auto& test) {
                           std::string name = golden().pictures().at(test.param).at("file");
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace paraclip
