#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace paraclip {

/// Which softmax an InfoNCE loss takes.
enum class LossDirection {
  kSymmetric,  ///< The mean of both, as CLIP does.
  kForward,    ///< Each row of A picks its partner among all rows of B.
  kBackward,   ///< Each row of B picks its partner among all rows of A.
};

/// Identities of the samples of a batch, [2 texts or images][batch]: equal numbers mean equal
/// content.
struct PairIdentities {
  std::vector<int64_t> a, b;
};

/// InfoNCE between matching rows: with S = exp(t) A B^T, the mean over i of -log softmax(S_i*)_i
/// (forward), -log softmax(S_*i)_i (backward), or the mean of the two (open_clip's ClipLoss).
///
/// @param a, b         [batch, width], rows of unit length
/// @param logit_scale  the scalar t
/// @param identities   when given, pairs (i, j) whose a or b are identical to those of i count
/// neither as positives
///                     nor as negatives: a caption that occurs twice in a batch is not pushed from
///                     itself
at::Tensor info_nce(const at::Tensor& a, const at::Tensor& b, const at::Tensor& logit_scale,
                    LossDirection direction = LossDirection::kSymmetric,
                    const PairIdentities* identities = nullptr);

/// How the three losses of ParaCLIP (Kim et al., EACL 2024) are put together.
struct LossOptions {
  double image_weight = 1.0;       ///< Of L1: image and T''.
  double caption_weight = 1.0;     ///< Of L2: T and T'.
  double paraphrase_weight = 1.0;  ///< Of L3: T' and T''.
  LossDirection direction = LossDirection::kSymmetric;
  bool mask_identical = false;  ///< Leave out identical texts and images as negatives.

  /// Throws kUsage, naming the option.
  void validate() const;
};

/// The embeddings of a batch, rows of unit length [batch, width], and their identities.
struct TripleBatch {
  at::Tensor image, caption, paraphrase_1, paraphrase_2;
  std::vector<int64_t> image_ids, caption_ids, paraphrase_1_ids, paraphrase_2_ids;
};

/// The weighted sum and its parts, each before weighting.
struct ParaclipLoss {
  at::Tensor total, image, caption, paraphrase;
};

/// L = w1 L1(I, T'') + w2 L2(T, T') + w3 L3(T', T''), with one temperature.
ParaclipLoss paraclip_loss(const TripleBatch& batch, const at::Tensor& logit_scale,
                           const LossOptions& options);

}  // namespace paraclip
