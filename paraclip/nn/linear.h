#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace paraclip {

/// input W^T + bias over the last dimension, with gradients by autograd: torch.nn.functional.linear
/// for float32 matrices [rows, in]. The products of the forward pass and of the input's gradient
/// are oneDNN's where libtorch has it, which are more than twice as fast as its default ones on
/// processors that are not Intel's.
at::Tensor linear_layer(const at::Tensor& input, const at::Tensor& weight,
                        const std::optional<at::Tensor>& bias = std::nullopt);

/// A linear layer for inference whose weights are packed once for oneDNN, with what follows it done
/// in the same pass. No gradients.
class PackedLinear {
 public:
  /// What is applied to the result.
  enum class Epilogue {
    kNone,
    kSwish,  ///< y * sigmoid(y)
    kGelu,   ///< Exact.
  };

  /// Computes in `type`, float32 or bfloat16, from weights [out, in] and bias [out] of float32.
  PackedLinear(const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::ScalarType type,
               Epilogue epilogue = Epilogue::kNone);

  /// input [rows, in] to [rows, out], both of the layer's type.
  at::Tensor operator()(const at::Tensor& input) const;

  /// operator() and the sum with `residual` [rows, out]. Only without an epilogue.
  at::Tensor add_to(const at::Tensor& residual, const at::Tensor& input) const;

 private:
  at::Tensor weight_;  // Packed where packed_, plain otherwise.
  std::optional<at::Tensor> bias_;
  Epilogue epilogue_;
  bool packed_;
};

}  // namespace paraclip
