#include "paraclip/clip/text_tower.h"

#include "paraclip/clip/roberta_tower.h"
#include "paraclip/clip/tensor_names.h"
#include "paraclip/clip/transformer_block.h"
#include "paraclip/nn/packed_attention.h"

#include <ATen/ATen.h>

#include <cassert>

namespace paraclip {
namespace {

// Places in the order of text_tensor_names(), for CLIP's architecture.
constexpr size_t kTokenEmbedding = 0;
constexpr size_t kPositionEmbedding = 1;
constexpr size_t kFirstBlock = 2;
// After the blocks, counted from the end.
constexpr size_t kFinalNormWeight = 4;
constexpr size_t kFinalNormBias = 3;
constexpr size_t kProjection = 2;

}  // namespace

TextTower::TextTower(const TextConfig& config, std::vector<NamedTensor> parameters)
    : config_(config), parameters_(std::move(parameters)) {
  assert(parameters_.size() == text_tensor_names(config).size());
}

void TextTower::set_trainable(bool trainable) {
  for (auto& [name, tensor] : parameters_) tensor.set_requires_grad(trainable);
}

at::Tensor TextTower::forward(const PackedText& text) const {
  return config_.architecture == TextArchitecture::kClip
             ? clip_forward(text)
             : roberta_forward(config_, parameters_, text);
}

at::Tensor TextTower::clip_forward(const PackedText& text) const {
  at::Tensor x = at::embedding(at(kTokenEmbedding), text.ids) +
                 at::embedding(at(kPositionEmbedding), text.positions);
  const auto attention = [&](const at::Tensor& qkv) {
    return packed_attention(qkv, text.offsets, config_.heads, /*causal=*/true);
  };
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    const TrainableBlock block(
        {config_.width, config_.layer_norm_eps, config_.activation},
        std::span(parameters_)
            .subspan(kFirstBlock + static_cast<size_t>(layer) * kBlockSize, kBlockSize));
    const bool last = layer + 1 == config_.layers;
    x = transformer_block(x, block, attention, last ? text.last_rows() : at::Tensor());
  }
  const size_t end = parameters_.size();
  x = at::layer_norm(x, {config_.width}, at(end - kFinalNormWeight), at(end - kFinalNormBias),
                     config_.layer_norm_eps);
  return linear_layer(x, at(end - kProjection));
}

at::Tensor normalize_rows(const at::Tensor& rows) {
  return rows / rows.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace paraclip
