#include "paraclip/train/losses.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>

namespace paraclip {
void LossOptions::validate() const {
  if (!(anchor_weight >= 0)) fail(ErrorKind::kUsage, "--anchor-weight: expected 0 or more");
  if (image_weight >= 0 && caption_weight >= 0 && paraphrase_weight >= 0 &&
      image_weight + caption_weight + paraphrase_weight > 0) {
    return;
  }
  fail(ErrorKind::kUsage, "--loss-weights: expected three numbers of 0 or more, not all 0");
}

TripleLoss paraclip_loss(const TripleBatch& batch, double logit_scale, const LossOptions& options,
                         Communicator& ranks) {
  TripleLoss result;
  result.caption_gradient = at::zeros_like(batch.caption, at::MemoryFormat::Contiguous);
  result.paraphrase_1_gradient = at::zeros_like(batch.paraphrase_1, at::MemoryFormat::Contiguous);
  result.paraphrase_2_gradient = at::zeros_like(batch.paraphrase_2, at::MemoryFormat::Contiguous);
  const auto side = [&](const at::Tensor& rows, const std::vector<int64_t>& identities,
                        const at::Tensor& gradient) {
    return ContrastSide(rows, options.mask_identical ? identities : std::vector<int64_t>(),
                        gradient);
  };
  ContrastSide image = side(batch.image, batch.image_ids, {});
  ContrastSide caption = side(batch.caption, batch.caption_ids, result.caption_gradient);
  ContrastSide paraphrase_1 =
      side(batch.paraphrase_1, batch.paraphrase_1_ids, result.paraphrase_1_gradient);
  ContrastSide paraphrase_2 =
      side(batch.paraphrase_2, batch.paraphrase_2_ids, result.paraphrase_2_gradient);
  const auto add = [&](ContrastSide& a, ContrastSide& b, double weight) {
    const InfoNce loss = add_info_nce(a, b, logit_scale, weight, options.direction, ranks);
    if (weight > 0) result.total += weight * loss.value;
    result.logit_scale_gradient += loss.logit_scale_gradient;
    return loss.value;
  };
  result.image = add(image, paraphrase_2, options.image_weight);
  result.paraphrase = add(paraphrase_1, paraphrase_2, options.paraphrase_weight);
  result.caption = add(caption, paraphrase_1, options.caption_weight);
  return result;
}

}  // namespace paraclip
