#pragma once

#include "paraclip/clip/text_tower.h"
#include "paraclip/train/gradient_buffer.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace paraclip {

/// Low-rank adaptation of a text tower (Hu et al., 2021, LoRA): every weight of a linear layer of
/// its blocks, [out, in], is W0 + alpha / rank * B A, with A [rank, in] and B [out, rank] trained.
/// The tower knows nothing of it: it computes with dense weights and gives dense gradients.
class Lora {
 public:
  /// Adapts `tower`, whose present weights become W0, and freezes all of its parameters but
  /// logit_scale; those that are adapted still get gradients. A is random, a pure function of
  /// `seed`, B zero. The tower must outlive it. Throws kUsage for a rank beyond a weight's size.
  Lora(TextTower& tower, int64_t rank, double alpha, uint64_t seed);

  /// What is trained: "NAME.lora_a" and "NAME.lora_b" for each weight NAME, leaves of autograd.
  const std::vector<NamedTensor>& parameters() const { return parameters_; }

  /// Sets the gradients of the dense weights to zero.
  void zero_gradients() { dense_gradients_.zero(); }

  /// Adds what the dense weights' gradients amount to to the `grad` of A and B, which must be
  /// defined: alpha / rank * B^T G and alpha / rank * G A^T.
  void pull_gradients();

  /// Gives the dense weights their values after A and B.
  void merge();

 private:
  struct Adapter {
    at::Tensor weight, base;  // [out, in]; `base` is a copy of W0.
    at::Tensor a, b;
  };

  static std::vector<NamedTensor> adapted_weights(const TextTower& tower);

  double scale_;
  GradientBuffer dense_gradients_;
  std::vector<Adapter> adapters_;
  std::vector<NamedTensor> parameters_;
};

}  // namespace paraclip
