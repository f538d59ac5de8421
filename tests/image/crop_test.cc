#include "paraclip/image/crop.h"

#include "paraclip/base/error.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

// Pixel (x, y) of a 4 x 3 picture is 10 y + x in red and 100 in green.
Image numbered() {
  Image image(PixelMode::kRgb, 4, 3);
  for (int y = 0; y < 3; ++y) {
    for (int x = 0; x < 4; ++x) {
      image.row(y)[3 * x] = static_cast<uint8_t>(10 * y + x);
      image.row(y)[3 * x + 1] = 100;
    }
  }
  return image;
}

TEST(Crop, TakesColumnsAndRowsInThatOrder) {
  const Image part = crop_image(numbered(), /*x=*/1, /*y=*/2, /*width=*/3, /*height=*/1);
  ASSERT_EQ(part.width, 3);
  ASSERT_EQ(part.height, 1);
  EXPECT_EQ(part.row(0)[0], 21);
  EXPECT_EQ(part.row(0)[6], 23);
  EXPECT_EQ(part.row(0)[7], 100);
}

// As Pillow's crop((-1, 2, 1, 5)).
TEST(Crop, IsBlackOutsideOfThePicture) {
  const Image part = crop_image(numbered(), /*x=*/-1, /*y=*/2, /*width=*/2, /*height=*/3);
  EXPECT_EQ(part.row(0)[0], 0);
  EXPECT_EQ(part.row(0)[1], 0);
  EXPECT_EQ(part.row(0)[3], 20);
  EXPECT_EQ(part.row(1)[3], 0);
  EXPECT_EQ(crop_image(numbered(), 9, 9, 2, 2).row(1)[3], 0);
}

TEST(Crop, RefusesAnEmptyPart) {
  EXPECT_THROW(crop_image(numbered(), 0, 0, 0, 2), Error);
  EXPECT_THROW(crop_image(numbered(), 0, 0, 2, 1 << 20), Error);
}

}  // namespace
}  // namespace paraclip
