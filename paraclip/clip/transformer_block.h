#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/config.h"
#include "paraclip/nn/linear.h"

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace paraclip {

/// What a transformer block needs to know of its tower.
struct BlockConfig {
  int64_t width;
  double layer_norm_eps;
  Activation activation;
};

/// The tensors of a block, in the order of the tensor name tables.
enum BlockTensor : size_t {
  kNorm1Weight,
  kNorm1Bias,
  kQkvWeight,
  kQkvBias,
  kOutWeight,
  kOutBias,
  kNorm2Weight,
  kNorm2Bias,
  kFc1Weight,
  kFc1Bias,
  kFc2Weight,
  kFc2Bias,
  kBlockSize,
};

/// The layers of a block over float32 tensors that may have gradients.
class TrainableBlock {
 public:
  /// `tensors`: kBlockSize of them, which must outlive this.
  TrainableBlock(const BlockConfig& config, std::span<const NamedTensor> tensors)
      : config_(config), tensors_(tensors) {}

  at::Tensor norm1(const at::Tensor& x) const { return norm(x, kNorm1Weight, kNorm1Bias); }
  at::Tensor norm2(const at::Tensor& x) const { return norm(x, kNorm2Weight, kNorm2Bias); }
  at::Tensor qkv(const at::Tensor& x) const { return layer(x, kQkvWeight, kQkvBias); }
  at::Tensor mlp_in(const at::Tensor& x) const;  ///< With the activation.
  at::Tensor add_attended(const at::Tensor& residual, const at::Tensor& x) const;
  at::Tensor add_mlp_out(const at::Tensor& residual, const at::Tensor& x) const;

 private:
  const at::Tensor& at(BlockTensor which) const { return tensors_[which].second; }
  at::Tensor norm(const at::Tensor& x, BlockTensor weight, BlockTensor bias) const;
  at::Tensor layer(const at::Tensor& x, BlockTensor weight, BlockTensor bias) const {
    return linear_layer(x, at(weight), at(bias));
  }

  BlockConfig config_;
  std::span<const NamedTensor> tensors_;
};

/// The layers of a block for inference in one type, weights packed.
class PackedBlock {
 public:
  PackedBlock(const BlockConfig& config, std::span<const NamedTensor> tensors, at::ScalarType type);

  at::Tensor norm1(const at::Tensor& x) const { return norm(x, norm1_weight_, norm1_bias_); }
  at::Tensor norm2(const at::Tensor& x) const { return norm(x, norm2_weight_, norm2_bias_); }
  at::Tensor qkv(const at::Tensor& x) const { return qkv_(x); }
  at::Tensor mlp_in(const at::Tensor& x) const { return fc1_(x); }
  at::Tensor add_attended(const at::Tensor& residual, const at::Tensor& x) const {
    return out_.add_to(residual, x);
  }
  at::Tensor add_mlp_out(const at::Tensor& residual, const at::Tensor& x) const {
    return fc2_.add_to(residual, x);
  }

 private:
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;

  BlockConfig config_;
  at::Tensor norm1_weight_, norm1_bias_, norm2_weight_, norm2_bias_;
  PackedLinear qkv_, out_, fc1_, fc2_;
};

/// A pre-norm residual block: x + attention(norm1 x), and to that its mlp(norm2 ...).
///
/// @param x          [rows, width]
/// @param attend     from queries, keys and values side by side [rows, 3 width] to [rows, width]
/// @param kept_rows  when defined, [kept] int64: the only rows of the result that anything reads,
///                   which is [kept, width]
template <class Block, class Attend>
at::Tensor transformer_block(const at::Tensor& x, const Block& block, const Attend& attend,
                             const at::Tensor& kept_rows = {}) {
  at::Tensor attended = attend(block.qkv(block.norm1(x)));
  at::Tensor residual = x;
  if (kept_rows.defined()) {
    attended = attended.index_select(0, kept_rows);
    residual = residual.index_select(0, kept_rows);
  }
  const at::Tensor y = block.add_attended(residual, attended);
  return block.add_mlp_out(y, block.mlp_in(block.norm2(y)));
}

}  // namespace paraclip
