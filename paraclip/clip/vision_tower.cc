#include "paraclip/clip/vision_tower.h"

#include <ATen/ATen.h>

#include <cassert>
#include <cmath>

namespace paraclip {
namespace {

// Places in the order of vision_tensor_names().
enum : size_t {
  kClassEmbedding,
  kPatchEmbedding,
  kPositionEmbedding,
  kPreNormWeight,
  kPreNormBias,
  kFirstBlock
};
// After the blocks, counted from the end.
enum : size_t { kProjection = 1, kPostNormBias = 2, kPostNormWeight = 3 };

BlockConfig block_config(const VisionConfig& config) {
  return {config.width, config.layer_norm_eps, config.activation};
}

std::span<const NamedTensor> block_tensors(const std::vector<NamedTensor>& parameters,
                                           int64_t layer) {
  return std::span(parameters)
      .subspan(kFirstBlock + static_cast<size_t>(layer) * kBlockSize, kBlockSize);
}

// [batch, 3, size, size] to [batch * grid * grid, 3 * patch * patch]: the patches as rows, in the
// order of the convolution's weights.
at::Tensor cut_patches(const at::Tensor& pixels, const VisionConfig& config) {
  const int64_t grid = config.grid(), patch = config.patch_size;
  return pixels.slice(2, 0, grid * patch)
      .slice(3, 0, grid * patch)
      .reshape({-1, 3, grid, patch, grid, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({-1, 3 * patch * patch});
}

// The class token before each image's patches, and the positions: [batch * tokens, width].
at::Tensor join_tokens(const at::Tensor& patches, const at::Tensor& class_token,
                       const at::Tensor& positions, const VisionConfig& config) {
  const at::Tensor grid = patches.reshape({-1, config.tokens() - 1, config.width});
  const at::Tensor first = class_token.expand({grid.size(0), 1, config.width});
  return (at::cat({first, grid}, 1) + positions).reshape({-1, config.width});
}

// Attention among the tokens of each image: [batch * tokens, 3 width] to [batch * tokens, width].
at::Tensor attend(const at::Tensor& qkv, const VisionConfig& config) {
  const at::Tensor heads =
      qkv.view({-1, config.tokens(), 3, config.heads, config.width / config.heads})
          .permute({2, 0, 3, 1, 4});
  return at::scaled_dot_product_attention(heads[0], heads[1], heads[2])
      .transpose(1, 2)
      .reshape({-1, config.width});
}

// [batch] int64: the rows of the class tokens.
at::Tensor class_rows(int64_t batch, const VisionConfig& config) {
  return at::arange(batch, at::kLong) * config.tokens();
}

// The blocks over `x`, to the class tokens' rows [batch, width]. `block(layer)` gives a block.
template <class Blocks>
at::Tensor run_blocks(at::Tensor x, const VisionConfig& config, const Blocks& block) {
  const auto attention = [&](const at::Tensor& qkv) { return attend(qkv, config); };
  const at::Tensor rows = class_rows(x.size(0) / config.tokens(), config);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const bool last = layer + 1 == config.layers;
    x = transformer_block(x, block(layer), attention, last ? rows : at::Tensor());
  }
  return x;
}

}  // namespace

VisionTower::VisionTower(const VisionConfig& config, std::vector<NamedTensor> parameters)
    : config_(config), parameters_(std::move(parameters)) {
  assert(parameters_.size() == vision_tensor_names(config).size());
}

void VisionTower::set_trainable(bool trainable) {
  for (auto& [name, tensor] : parameters_) tensor.set_requires_grad(trainable);
}

at::Tensor VisionTower::forward(const at::Tensor& pixels) const {
  const auto weight = [&](size_t index) -> const at::Tensor& { return parameters_[index].second; };
  const size_t end = parameters_.size();
  const auto norm = [&](const at::Tensor& x, size_t scale, size_t shift) {
    return at::layer_norm(x, {config_.width}, weight(scale), weight(shift), config_.layer_norm_eps);
  };
  const at::Tensor patches =
      linear_layer(cut_patches(pixels, config_), weight(kPatchEmbedding).view({config_.width, -1}));
  const at::Tensor tokens =
      join_tokens(patches, weight(kClassEmbedding), weight(kPositionEmbedding), config_);
  const at::Tensor pooled =
      run_blocks(norm(tokens, kPreNormWeight, kPreNormBias), config_, [&](int64_t layer) {
        return TrainableBlock(block_config(config_), block_tensors(parameters_, layer));
      });
  return linear_layer(norm(pooled, end - kPostNormWeight, end - kPostNormBias),
                      weight(end - kProjection));
}

PackedVisionTower::PackedVisionTower(const VisionConfig& config,
                                     std::vector<NamedTensor> parameters, Precision precision)
    : config_(config),
      type_(precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat),
      patches_(parameters[kPatchEmbedding].second.view({config.width, -1}), std::nullopt, type_),
      class_token_(parameters[kClassEmbedding].second.to(type_)),
      positions_(parameters[kPositionEmbedding].second.to(type_)),
      pre_weight_(parameters[kPreNormWeight].second),
      pre_bias_(parameters[kPreNormBias].second),
      post_weight_(parameters[parameters.size() - kPostNormWeight].second),
      post_bias_(parameters[parameters.size() - kPostNormBias].second),
      projection_(parameters[parameters.size() - kProjection].second, std::nullopt, at::kFloat) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    blocks_.emplace_back(block_config(config), block_tensors(parameters, layer), type_);
    // One at a time, so that both forms of all blocks are never in memory together.
    for (size_t i = 0; i < kBlockSize; ++i) {
      parameters[kFirstBlock + static_cast<size_t>(layer) * kBlockSize + i].second.reset();
    }
  }
}

at::Tensor PackedVisionTower::forward(const at::Tensor& pixels) const {
  const at::NoGradGuard no_grad;
  const auto norm = [&](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    return at::layer_norm(x, {config_.width}, weight, bias, config_.layer_norm_eps);
  };
  const at::Tensor patches = patches_(cut_patches(pixels.to(type_), config_));
  const at::Tensor tokens = join_tokens(patches, class_token_, positions_, config_);
  const at::Tensor pooled = run_blocks(
      norm(tokens, pre_weight_, pre_bias_), config_,
      [&](int64_t layer) -> const PackedBlock& { return blocks_[static_cast<size_t>(layer)]; });
  return projection_(norm(pooled.to(at::kFloat), post_weight_, post_bias_));
}

}  // namespace paraclip
