#pragma once

#include "paraclip/nn/gemm.h"
#include "paraclip/train/communicator.h"

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

/// One side of contrastive losses: embeddings of unit length, this rank's part of them, and where
/// their gradient goes. All ranks hold equally many rows; in the order of the ranks, they make the
/// batch. What a loss needs of them beside that (those of all ranks, copies in the order of the
/// kernels) is made when first asked for, and kept for the next loss.
class ContrastSide {
 public:
  /// @param rows       [local, width], float32
  /// @param identities [local], or empty: equal numbers mean equal content, on any rank
  /// @param gradient   [local, width], float32, contiguous; gradients are added to it. Undefined:
  ///                   none is wanted.
  ContrastSide(at::Tensor rows, std::vector<int64_t> identities, at::Tensor gradient = {});

  const at::Tensor& rows() const { return rows_; }
  const at::Tensor& gradient() const { return gradient_; }

  /// [batch, width]: the rows of all ranks.
  const at::Tensor& all_rows(Communicator& ranks);

  /// [batch], padded with negative numbers: for every sample of all ranks, a number that those of
  /// equal content share. Empty where no two are equal, or nothing is known of them.
  const std::vector<int32_t>& all_identities(Communicator& ranks);

  /// The rows of all ranks, as right factors [width, slab] of products that give logits, a slab of
  /// `slab` rows each.
  const std::vector<PackedFactor>& logit_factors(Communicator& ranks, int64_t slab);

 private:
  at::Tensor rows_, gradient_, all_rows_;
  std::vector<int64_t> identities_;
  bool numbered_ = false;
  std::vector<int32_t> numbers_;
  std::vector<PackedFactor> factors_;
};

/// An InfoNCE loss and its derivative by the logit scale.
struct InfoNce {
  double value = 0;
  double logit_scale_gradient = 0;
};

/// InfoNCE between matching rows of all ranks: with S = exp(t) A B^T, the mean over i of
/// -log softmax(S_i*)_i (forward), -log softmax(S_*i)_i (backward), or the mean of the two
/// (open_clip's ClipLoss). Adds `weight` times its gradients to those of the sides that want them.
///
/// Pairs (i, j) whose a or b are identical to those of i (ContrastSide) count neither as positives
/// nor as negatives: a caption that occurs twice in a batch is not pushed from itself.
///
/// S is computed tile by tile, with the largest logit and the sum of exponentials of each row and
/// each column so far, and never held: memory grows with the batch, not with its square. The result
/// does not depend on the number of threads. Every rank gets the same one.
///
/// @param logit_scale t
/// @param weight      0: no gradients at all; also of `logit_scale_gradient`.
/// @return the value before weighting, and `weight` times its derivative by t; the value is not a
///         finite number, and no gradients are added, where an embedding is not
InfoNce add_info_nce(ContrastSide& a, ContrastSide& b, double logit_scale, double weight,
                     LossDirection direction, Communicator& ranks);

/// Identities of the samples of a batch, [2 texts or images][batch]: equal numbers mean equal
/// content.
struct PairIdentities {
  std::vector<int64_t> a, b;
};

/// add_info_nce of one process under autograd, as a float32 scalar.
///
/// @param a, b         [batch, width], rows of unit length
/// @param logit_scale  the scalar t
/// @param identities   when given, identical pairs are left out
at::Tensor info_nce(const at::Tensor& a, const at::Tensor& b, const at::Tensor& logit_scale,
                    LossDirection direction = LossDirection::kSymmetric,
                    const PairIdentities* identities = nullptr);

}  // namespace paraclip
