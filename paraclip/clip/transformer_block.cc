#include "paraclip/clip/transformer_block.h"

#include <ATen/ATen.h>

namespace paraclip {
namespace {

// quick_gelu(y) = y sigmoid(1.702 y) = swish(1.702 y) / 1.702: for inference the factor goes into
// the weights on either side, so that one pass does it.
constexpr double kQuickGelu = 1.702;

double inner_scale(Activation activation) {
  return activation == Activation::kQuickGelu ? kQuickGelu : 1.0;
}

PackedLinear::Epilogue epilogue_of(Activation activation) {
  return activation == Activation::kQuickGelu ? PackedLinear::Epilogue::kSwish
                                              : PackedLinear::Epilogue::kGelu;
}

}  // namespace

at::Tensor TrainableBlock::norm(const at::Tensor& x, BlockTensor weight, BlockTensor bias) const {
  return at::layer_norm(x, {config_.width}, at(weight), at(bias), config_.layer_norm_eps);
}

at::Tensor TrainableBlock::mlp_in(const at::Tensor& x) const {
  const at::Tensor hidden = layer(x, kFc1Weight, kFc1Bias);
  return config_.activation == Activation::kQuickGelu ? hidden * at::sigmoid(hidden * kQuickGelu)
                                                      : at::gelu(hidden);
}

at::Tensor TrainableBlock::add_attended(const at::Tensor& residual, const at::Tensor& x) const {
  return residual + layer(x, kOutWeight, kOutBias);
}

at::Tensor TrainableBlock::add_mlp_out(const at::Tensor& residual, const at::Tensor& x) const {
  return residual + layer(x, kFc2Weight, kFc2Bias);
}

PackedBlock::PackedBlock(const BlockConfig& config, std::span<const NamedTensor> tensors,
                         at::ScalarType type)
    : config_(config),
      norm1_weight_(tensors[kNorm1Weight].second),
      norm1_bias_(tensors[kNorm1Bias].second),
      norm2_weight_(tensors[kNorm2Weight].second),
      norm2_bias_(tensors[kNorm2Bias].second),
      qkv_(tensors[kQkvWeight].second, tensors[kQkvBias].second, type),
      out_(tensors[kOutWeight].second, tensors[kOutBias].second, type),
      fc1_(tensors[kFc1Weight].second * inner_scale(config.activation),
           tensors[kFc1Bias].second * inner_scale(config.activation), type,
           epilogue_of(config.activation)),
      fc2_(tensors[kFc2Weight].second / inner_scale(config.activation), tensors[kFc2Bias].second,
           type) {}

at::Tensor PackedBlock::norm(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) const {
  return at::layer_norm(x, {config_.width}, weight, bias, config_.layer_norm_eps);
}

}  // namespace paraclip
