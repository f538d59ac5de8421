#include "paraclip/eval/model_encoder.h"

#include "tests/support.h"

#include <ATen/ATen.h>

#include <memory>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(PARACLIP_SOURCE_DIR) / "examples/scenes/base";
const fs::path kPicture = fs::path(PARACLIP_SOURCE_DIR) / "examples/scenes/sheet.jpg";

std::unique_ptr<TextModel> text_model() {
  return std::make_unique<TextModel>(TextModel::load(kModel));
}

class ModelEncoderTest : public testing::Test {
 protected:
  std::unique_ptr<ModelEncoder> encoder(const fs::path& cache, bool with_images = true) {
    computed = 0;
    const ProgressCallback count = [this](const ProgressState& state) { computed = state.done; };
    std::shared_ptr<ImageVectors> images;
    if (with_images) {
      images = std::make_shared<ImageVectors>(
          nullptr, std::make_unique<ImageModel>(ImageModel::load(kModel)), cache, count);
    }
    return std::make_unique<ModelEncoder>(text_model(), images, cache, count);
  }

  test::TemporaryFolder folder;
  int64_t computed = 0;  // What the last progress said: texts or images that were not known.
};

TEST_F(ModelEncoderTest, EncodesEachTextOnce) {
  const auto model = encoder({});
  const std::vector<std::string> texts = {"a red ball", "a dog", "a red ball"};
  const at::Tensor vectors = model->encode_texts(texts);
  EXPECT_EQ(computed, 2);
  EXPECT_TRUE(at::equal(vectors, text_model()->encode(texts)));
  EXPECT_TRUE(at::equal(vectors[0], vectors[2]));
  model->encode_texts({"a dog", "a cat"});
  EXPECT_EQ(computed, 1);
}

TEST_F(ModelEncoderTest, TheNextRunFindsItsTextsAndImages) {
  const std::vector<EvalImage> images = {{"sheet", kPicture, {}},
                                         {"part", kPicture, Box{10, 20, 30, 40}}};
  const auto first = encoder(folder / "cache");
  const at::Tensor texts = first->encode_texts({"a red ball", "a dog"});
  const at::Tensor pictures = first->encode_images(images);
  EXPECT_FALSE(at::allclose(pictures[0], pictures[1], 1e-2));

  const auto second = encoder(folder / "cache");
  EXPECT_TRUE(at::equal(second->encode_texts({"a red ball", "a dog"}), texts));
  EXPECT_TRUE(at::equal(second->encode_images(images), pictures));
  EXPECT_EQ(computed, 0);
}

TEST_F(ModelEncoderTest, AnImageThatCannotBeEncodedIsAnError) {
  const std::vector<EvalImage> images = {{"no such", "absent.jpg", {}}};
  EXPECT_NE(
      test::error_of([&] { encoder({}, false)->encode_images(images); }).find("no image tower"),
      std::string::npos);
  EXPECT_NE(test::error_of([&] { encoder({})->encode_images(images); }).find("absent.jpg"),
            std::string::npos);
}

}  // namespace
}  // namespace paraclip
