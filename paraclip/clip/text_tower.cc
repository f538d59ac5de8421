#include "paraclip/clip/text_tower.h"

#include "paraclip/clip/tensor_names.h"
#include "paraclip/nn/packed_attention.h"

#include <ATen/ATen.h>

#include <cassert>

namespace paraclip {
namespace {

// Places in the order of text_tensor_names().
constexpr size_t kTokenEmbedding = 0;
constexpr size_t kPositionEmbedding = 1;
constexpr size_t kFirstBlock = 2;
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
// After the blocks, counted from the end.
constexpr size_t kFinalNormWeight = 4;
constexpr size_t kFinalNormBias = 3;
constexpr size_t kProjection = 2;

at::Tensor activate(const at::Tensor& input, Activation activation) {
  return activation == Activation::kQuickGelu ? input * at::sigmoid(input * 1.702)
                                              : at::gelu(input);
}

}  // namespace

TextTower::TextTower(const TextConfig& config, std::vector<NamedTensor> parameters)
    : config_(config), parameters_(std::move(parameters)) {
  assert(parameters_.size() == text_tensor_names(config).size());
}

void TextTower::set_trainable(bool trainable) {
  for (auto& [name, tensor] : parameters_) tensor.set_requires_grad(trainable);
}

at::Tensor TextTower::block(int64_t layer, const at::Tensor& input, const PackedText& text) const {
  const size_t base = kFirstBlock + static_cast<size_t>(layer) * kBlockSize;
  const auto weight = [&](BlockTensor which) -> const at::Tensor& { return at(base + which); };
  const auto norm = [&](const at::Tensor& x, BlockTensor scale, BlockTensor shift) {
    return at::layer_norm(x, {config_.width}, weight(scale), weight(shift), config_.layer_norm_eps);
  };
  const at::Tensor qkv =
      at::linear(norm(input, kNorm1Weight, kNorm1Bias), weight(kQkvWeight), weight(kQkvBias));
  at::Tensor attended = packed_attention(qkv, text.offsets, config_.heads, /*causal=*/true);
  at::Tensor residual = input;
  if (layer + 1 == config_.layers) {
    // Nothing reads the other rows of the last block.
    const at::Tensor rows = text.last_rows();
    attended = attended.index_select(0, rows);
    residual = residual.index_select(0, rows);
  }
  const at::Tensor x = residual + at::linear(attended, weight(kOutWeight), weight(kOutBias));
  const at::Tensor hidden =
      activate(at::linear(norm(x, kNorm2Weight, kNorm2Bias), weight(kFc1Weight), weight(kFc1Bias)),
               config_.activation);
  return x + at::linear(hidden, weight(kFc2Weight), weight(kFc2Bias));
}

at::Tensor TextTower::forward(const PackedText& text) const {
  at::Tensor x = at::embedding(at(kTokenEmbedding), text.ids) +
                 at::embedding(at(kPositionEmbedding), text.positions);
  for (int64_t layer = 0; layer < config_.layers; ++layer) x = block(layer, x, text);
  const size_t end = parameters_.size();
  x = at::layer_norm(x, {config_.width}, at(end - kFinalNormWeight), at(end - kFinalNormBias),
                     config_.layer_norm_eps);
  return at::linear(x, at(end - kProjection));
}

at::Tensor normalize_rows(const at::Tensor& rows) {
  return rows / rows.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace paraclip
