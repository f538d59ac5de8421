#include "paraclip/train/losses.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>

#include <limits>

namespace paraclip {
namespace {

at::Tensor as_tensor(const std::vector<int64_t>& values) {
  return at::tensor(at::ArrayRef<int64_t>(values), at::kLong);
}

// [batch, batch]: true where (i, j) is another sample with the same content on either side.
at::Tensor identical_pairs(const PairIdentities& identities) {
  const auto equal = [](const std::vector<int64_t>& values) {
    const at::Tensor row = as_tensor(values);
    return row.unsqueeze(0) == row.unsqueeze(1);
  };
  return (equal(identities.a) | equal(identities.b)).fill_diagonal_(false);
}

}  // namespace

at::Tensor info_nce(const at::Tensor& a, const at::Tensor& b, const at::Tensor& logit_scale,
                    LossDirection direction, const PairIdentities* identities) {
  at::Tensor logits = at::matmul(a, b.t()) * logit_scale.exp();
  if (identities != nullptr) {
    logits =
        logits.masked_fill(identical_pairs(*identities), -std::numeric_limits<float>::infinity());
  }
  const auto cross_entropy = [&](int64_t dim) {
    return -at::log_softmax(logits, dim).diagonal().mean();
  };
  switch (direction) {
    case LossDirection::kForward: return cross_entropy(1);
    case LossDirection::kBackward: return cross_entropy(0);
    case LossDirection::kSymmetric: break;
  }
  return (cross_entropy(1) + cross_entropy(0)) / 2;
}

void LossOptions::validate() const {
  if (image_weight >= 0 && caption_weight >= 0 && paraphrase_weight >= 0 &&
      image_weight + caption_weight + paraphrase_weight > 0) {
    return;
  }
  fail(ErrorKind::kUsage, "--loss-weights: expected three numbers of 0 or more, not all 0");
}

ParaclipLoss paraclip_loss(const TripleBatch& batch, const at::Tensor& logit_scale,
                           const LossOptions& options) {
  const auto loss = [&](const at::Tensor& a, const at::Tensor& b, const std::vector<int64_t>& a_ids,
                        const std::vector<int64_t>& b_ids) {
    const PairIdentities identities{a_ids, b_ids};
    return info_nce(a, b, logit_scale, options.direction,
                    options.mask_identical ? &identities : nullptr);
  };
  ParaclipLoss result;
  result.image = loss(batch.image, batch.paraphrase_2, batch.image_ids, batch.paraphrase_2_ids);
  result.caption =
      loss(batch.caption, batch.paraphrase_1, batch.caption_ids, batch.paraphrase_1_ids);
  result.paraphrase =
      loss(batch.paraphrase_1, batch.paraphrase_2, batch.paraphrase_1_ids, batch.paraphrase_2_ids);
  result.total = options.image_weight * result.image + options.caption_weight * result.caption +
                 options.paraphrase_weight * result.paraphrase;
  return result;
}

}  // namespace paraclip
