#include "paraclip/train/losses.h"

#include "tests/train/reference_loss.h"
#include "tests/train/thread_communicator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace paraclip {
namespace {

using test::reference_info_nce;
using test::relative_difference;

constexpr double kLogitScale = 2.0;

// [4, images and the three texts][samples]: paraphrases of two captions agree.
TripleBatch triples(int64_t samples, int64_t width) {
  TripleBatch batch;
  batch.image = test::embeddings(samples, width);
  batch.caption = test::embeddings(samples, width, batch.image);
  batch.paraphrase_1 = test::embeddings(samples, width, batch.caption);
  batch.paraphrase_2 = test::embeddings(samples, width, batch.paraphrase_1);
  for (int64_t i = 0; i < samples; ++i) {
    batch.image_ids.push_back(i / 2);
    batch.caption_ids.push_back(i);
    batch.paraphrase_1_ids.push_back(i);
    batch.paraphrase_2_ids.push_back(i % (samples - 1));
  }
  return batch;
}

// The same by the definition, under autograd.
TripleLoss reference(const TripleBatch& batch, const LossOptions& options) {
  const auto leaf = [](const at::Tensor& x) { return x.to(at::kDouble).requires_grad_(); };
  const at::Tensor caption = leaf(batch.caption), first = leaf(batch.paraphrase_1),
                   second = leaf(batch.paraphrase_2),
                   t = at::scalar_tensor(kLogitScale, at::kDouble).requires_grad_();
  const auto loss = [&](const at::Tensor& a, const at::Tensor& b, const std::vector<int64_t>& a_ids,
                        const std::vector<int64_t>& b_ids) {
    const PairIdentities identities{a_ids, b_ids};
    return reference_info_nce(a, b, t, options.direction,
                              options.mask_identical ? &identities : nullptr);
  };
  const at::Tensor l1 = loss(batch.image, second, batch.image_ids, batch.paraphrase_2_ids);
  const at::Tensor l2 = loss(caption, first, batch.caption_ids, batch.paraphrase_1_ids);
  const at::Tensor l3 = loss(first, second, batch.paraphrase_1_ids, batch.paraphrase_2_ids);
  const at::Tensor total =
      options.image_weight * l1 + options.caption_weight * l2 + options.paraphrase_weight * l3;
  total.backward();
  return {total.item<double>(),    l1.item<double>(), l2.item<double>(), l3.item<double>(),
          t.grad().item<double>(), caption.grad(),    first.grad(),      second.grad()};
}

void expect_equal(const TripleLoss& loss, const TripleLoss& expected) {
  EXPECT_NEAR(loss.total, expected.total, 1e-6 * expected.total);
  EXPECT_NEAR(loss.image, expected.image, 1e-6 * expected.image);
  EXPECT_NEAR(loss.caption, expected.caption, 1e-6 * expected.caption);
  EXPECT_NEAR(loss.paraphrase, expected.paraphrase, 1e-6 * expected.paraphrase);
  EXPECT_NEAR(loss.logit_scale_gradient, expected.logit_scale_gradient,
              1e-5 * std::abs(expected.logit_scale_gradient));
  EXPECT_LT(relative_difference(loss.caption_gradient, expected.caption_gradient), 1e-5);
  EXPECT_LT(relative_difference(loss.paraphrase_1_gradient, expected.paraphrase_1_gradient), 1e-5);
  EXPECT_LT(relative_difference(loss.paraphrase_2_gradient, expected.paraphrase_2_gradient), 1e-5);
}

LossOptions weights(double image, double caption, double paraphrase) {
  LossOptions options;
  options.image_weight = image;
  options.caption_weight = caption;
  options.paraphrase_weight = paraphrase;
  return options;
}

TEST(ParaclipLoss, TiesTheImageToTheSecondParaphraseAndWeighsTheParts) {
  const TripleBatch batch = triples(300, 24);
  const LossOptions options = weights(0.5, 2, 3);
  expect_equal(paraclip_loss(batch, kLogitScale, options, *Communicator::single()),
               reference(batch, options));
}

TEST(ParaclipLoss, LeavesOutIdenticalContentWhereAsked) {
  const TripleBatch batch = triples(41, 24);
  LossOptions options = weights(1, 1, 1);
  options.direction = LossDirection::kForward;
  const double unmasked = paraclip_loss(batch, kLogitScale, options, *Communicator::single()).total;
  options.mask_identical = true;
  const TripleLoss masked = paraclip_loss(batch, kLogitScale, options, *Communicator::single());
  expect_equal(masked, reference(batch, options));
  EXPECT_GT(std::abs(masked.total - unmasked), 1e-3);
}

TEST(ParaclipLoss, APartOfWeightZeroIsToldButNotDifferentiated) {
  TripleBatch batch = triples(41, 24);
  const LossOptions options = weights(0, 1, 0);
  expect_equal(paraclip_loss(batch, kLogitScale, options, *Communicator::single()),
               reference(batch, options));
  batch.image[0][0] = NAN;
  const TripleLoss loss = paraclip_loss(batch, kLogitScale, options, *Communicator::single());
  EXPECT_FALSE(std::isfinite(loss.image));
  EXPECT_TRUE(std::isfinite(loss.total));
  EXPECT_EQ(loss.paraphrase_2_gradient.abs().max().item<float>(), 0);
}

TEST(ParaclipLoss, RanksTogetherAreAsOneProcess) {
  const TripleBatch batch = triples(300, 24);
  LossOptions options = weights(1, 0.5, 2);
  options.mask_identical = true;
  const TripleLoss one = paraclip_loss(batch, kLogitScale, options, *Communicator::single());
  test::ThreadRanks::run(/*size=*/2, [&](Communicator& ranks) {
    const int64_t local = 150, first = local * ranks.rank();
    const auto rows = [&](const at::Tensor& x) { return x.narrow(0, first, local); };
    const auto ids = [&](const std::vector<int64_t>& x) {
      return std::vector<int64_t>(x.begin() + first, x.begin() + first + local);
    };
    const TripleBatch part{rows(batch.image),           rows(batch.caption),
                           rows(batch.paraphrase_1),    rows(batch.paraphrase_2),
                           ids(batch.image_ids),        ids(batch.caption_ids),
                           ids(batch.paraphrase_1_ids), ids(batch.paraphrase_2_ids)};
    TripleLoss expected = one;
    expected.caption_gradient = rows(one.caption_gradient);
    expected.paraphrase_1_gradient = rows(one.paraphrase_1_gradient);
    expected.paraphrase_2_gradient = rows(one.paraphrase_2_gradient);
    expect_equal(paraclip_loss(part, kLogitScale, options, ranks), expected);
  });
}

}  // namespace
}  // namespace paraclip
