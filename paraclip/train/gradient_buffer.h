#pragma once

#include "paraclip/clip/checkpoint.h"

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace paraclip {

/// The gradients of parameters in one piece of memory, allocated once: each parameter's `grad` is a
/// view of it, to which a backward pass adds.
class GradientBuffer {
 public:
  /// Gives every one of `parameters` (float32 leaves on the CPU) its gradient, zero.
  explicit GradientBuffer(const std::vector<NamedTensor>& parameters);

  /// Sets all gradients to zero.
  void zero();

  /// All gradients, and the zeros between them.
  std::span<float> values();

  /// The Euclidean norm of all gradients together, summed in float64 in an order that does not
  /// depend on the number of threads.
  double norm() const;

 private:
  at::Tensor values_;  // Each parameter's begin at a cache line; what lies between is zero.
};

}  // namespace paraclip
