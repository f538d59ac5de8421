#include "paraclip/train/losses.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace paraclip {
namespace {

at::Tensor unit_rows(int64_t rows, int64_t width) {
  const at::Tensor x = at::randn({rows, width}, at::kDouble);
  return x / x.norm(2, {1}, /*keepdim=*/true);
}

// -log softmax, element by element, over the entries that `allowed` lets through.
double by_hand(const at::Tensor& a, const at::Tensor& b, double scale, bool rows,
               const std::vector<std::vector<bool>>& allowed) {
  const int64_t count = a.size(0);
  const at::Tensor logits = at::matmul(a, b.t()) * scale;
  double total = 0;
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < count; ++j) {
      const auto row = rows ? i : j;
      const auto column = rows ? j : i;
      if (allowed[row][column]) sum += std::exp(logits[row][column].item<double>());
    }
    total += std::log(sum) - logits[i][i].item<double>();
  }
  return total / static_cast<double>(count);
}

const std::vector<std::vector<bool>> kAll(5, std::vector<bool>(5, true));

TEST(InfoNce, MatchesTheFormulaInEachDirection) {
  const at::Tensor a = unit_rows(5, 8);
  const at::Tensor b = unit_rows(5, 8);
  const at::Tensor t = at::scalar_tensor(1.5, at::kDouble);
  const double scale = std::exp(1.5);
  const double forward = by_hand(a, b, scale, true, kAll);
  const double backward = by_hand(a, b, scale, false, kAll);
  EXPECT_NEAR(info_nce(a, b, t, LossDirection::kForward).item<double>(), forward, 1e-12);
  EXPECT_NEAR(info_nce(a, b, t, LossDirection::kBackward).item<double>(), backward, 1e-12);
  EXPECT_NEAR(info_nce(a, b, t).item<double>(), (forward + backward) / 2, 1e-12);
  EXPECT_GT(std::abs(forward - backward), 1e-3);
}

TEST(InfoNce, MaskingLeavesOutOtherSamplesOfTheSameContent) {
  const at::Tensor a = unit_rows(5, 8);
  const at::Tensor b = unit_rows(5, 8);
  const at::Tensor t = at::scalar_tensor(1.5, at::kDouble);
  // a0 and a3 are the same text; b1 and b2 are.
  const PairIdentities identities{{10, 11, 12, 10, 14}, {20, 21, 21, 23, 24}};
  auto allowed = kAll;
  allowed[0][3] = allowed[3][0] = allowed[1][2] = allowed[2][1] = false;
  const double scale = std::exp(1.5);
  const double expected =
      (by_hand(a, b, scale, true, allowed) + by_hand(a, b, scale, false, allowed)) / 2;
  const at::Tensor masked = info_nce(a, b, t, LossDirection::kSymmetric, &identities);
  EXPECT_NEAR(masked.item<double>(), expected, 1e-12);
  EXPECT_GT(std::abs(masked.item<double>() - info_nce(a, b, t).item<double>()), 1e-3);
}

TEST(InfoNce, ABatchOfOneTextOnlyHasNoLossWhenMasked) {
  const at::Tensor a = unit_rows(1, 8).expand({4, 8}).contiguous();
  const PairIdentities identities{{1, 1, 1, 1}, {1, 1, 1, 1}};
  const at::Tensor t = at::scalar_tensor(2.0, at::kDouble);
  EXPECT_NEAR(info_nce(a, a, t, LossDirection::kSymmetric, &identities).item<double>(), 0, 1e-12);
  EXPECT_NEAR(info_nce(a, a, t).item<double>(), std::log(4.0), 1e-12);
}

TEST(ParaclipLoss, TiesTheImageToTheSecondParaphraseAndWeighsTheParts) {
  const TripleBatch batch{unit_rows(4, 8), unit_rows(4, 8), unit_rows(4, 8), unit_rows(4, 8),
                          {1, 2, 3, 4},    {1, 2, 3, 4},    {1, 2, 3, 4},    {1, 2, 3, 4}};
  const at::Tensor t = at::scalar_tensor(1.0, at::kDouble);
  LossOptions options;
  options.image_weight = 0.5;
  options.caption_weight = 2;
  options.paraphrase_weight = 3;
  const ParaclipLoss loss = paraclip_loss(batch, t, options);
  const double image = info_nce(batch.image, batch.paraphrase_2, t).item<double>();
  const double caption = info_nce(batch.caption, batch.paraphrase_1, t).item<double>();
  const double paraphrase = info_nce(batch.paraphrase_1, batch.paraphrase_2, t).item<double>();
  EXPECT_DOUBLE_EQ(loss.image.item<double>(), image);
  EXPECT_DOUBLE_EQ(loss.caption.item<double>(), caption);
  EXPECT_DOUBLE_EQ(loss.paraphrase.item<double>(), paraphrase);
  EXPECT_NEAR(loss.total.item<double>(), 0.5 * image + 2 * caption + 3 * paraphrase, 1e-12);
}

}  // namespace
}  // namespace paraclip
