#pragma once

#include "paraclip/train/info_nce.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace paraclip {

/// How the three losses of ParaCLIP (Kim et al., EACL 2024) are put together.
struct LossOptions {
  double image_weight = 1.0;       ///< Of L1: image and T''.
  double caption_weight = 1.0;     ///< Of L2: T and T'.
  double paraphrase_weight = 1.0;  ///< Of L3: T' and T''.
  LossDirection direction = LossDirection::kSymmetric;
  bool mask_identical = false;  ///< Leave out identical texts and images as negatives.
  double anchor_weight = 0.0;   ///< Of the mean of 1 - cosine between T as embedded by the tower
                                ///< and by the base model's: what it knew is not forgotten.

  /// Throws kUsage, naming the option.
  void validate() const;
};

/// The embeddings of this rank's part of a batch, rows of unit length [local, width] of float32,
/// and their identities.
struct TripleBatch {
  at::Tensor image, caption, paraphrase_1, paraphrase_2;
  std::vector<int64_t> image_ids, caption_ids, paraphrase_1_ids, paraphrase_2_ids;
};

/// L = w1 L1(I, T'') + w2 L2(T, T') + w3 L3(T', T''), with one temperature, and its derivatives.
struct TripleLoss {
  double total = 0;
  double image = 0, caption = 0, paraphrase = 0;  ///< The parts before weighting.
  double logit_scale_gradient = 0;
  /// [local, width]: of L by this rank's rows.
  at::Tensor caption_gradient, paraphrase_1_gradient, paraphrase_2_gradient;
};

/// L and its gradients by embeddings and temperature, for the batch of all ranks. A part of weight
/// 0 is computed, for the logs, but neither differentiated nor in `total`. Where `total` is
/// not finite, the gradients mean nothing. Every rank gets the same but its own rows' gradients.
///
/// @param logit_scale t, the logarithm of what cosines are multiplied with
TripleLoss paraclip_loss(const TripleBatch& batch, double logit_scale, const LossOptions& options,
                         Communicator& ranks);

}  // namespace paraclip
