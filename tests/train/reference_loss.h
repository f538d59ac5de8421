#pragma once

#include "paraclip/train/losses.h"

#include <ATen/ATen.h>

#include <limits>
#include <vector>

namespace paraclip::test {

/// InfoNCE by its definition: all logits at once, in float64, under autograd.
inline at::Tensor reference_info_nce(const at::Tensor& a, const at::Tensor& b, const at::Tensor& t,
                                     LossDirection direction = LossDirection::kSymmetric,
                                     const PairIdentities* identities = nullptr) {
  at::Tensor logits =
      at::matmul(a.to(at::kDouble), b.to(at::kDouble).t()) * t.to(at::kDouble).exp();
  if (identities != nullptr) {
    const auto equal = [](const std::vector<int64_t>& values) {
      const at::Tensor row = at::tensor(at::ArrayRef<int64_t>(values), at::kLong);
      return row.unsqueeze(0) == row.unsqueeze(1);
    };
    logits = logits.masked_fill((equal(identities->a) | equal(identities->b)).fill_diagonal_(false),
                                -std::numeric_limits<double>::infinity());
  }
  const at::Tensor forward = -at::log_softmax(logits, 1).diagonal().mean();
  const at::Tensor backward = -at::log_softmax(logits, 0).diagonal().mean();
  switch (direction) {
    case LossDirection::kForward: return forward;
    case LossDirection::kBackward: return backward;
    case LossDirection::kSymmetric: break;
  }
  return (forward + backward) / 2;
}

/// Unit rows of float32 that are like those of a trained model: around one direction, and, where
/// `near` is given, close to its rows.
inline at::Tensor embeddings(int64_t rows, int64_t width, const at::Tensor& near = {}) {
  at::Tensor x = at::randn({rows, width}) + 0.5F * at::ones({width});
  if (near.defined())
    x = near * std::sqrt(static_cast<double>(width)) + 0.7F * at::randn({rows, width});
  return x / x.norm(2, {1}, /*keepdim=*/true);
}

/// The largest difference of two tensors, relative to the largest value of the second.
inline double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor reference = b.to(at::kDouble);
  const double difference = (a.to(at::kDouble) - reference).abs().max().item<double>();
  return difference == 0 ? 0 : difference / reference.abs().max().item<double>();
}

}  // namespace paraclip::test
