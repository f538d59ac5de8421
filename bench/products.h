#pragma once

#include "paraclip/base/json.h"
#include "paraclip/clip/config.h"
#include "paraclip/nn/gemm.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace paraclip::bench {

/// The floating-point operations of the linear layers that a training step over texts of these
/// lengths cannot do without: forward, gradient of the input and gradient of the weights, each two
/// operations for an element of a weight and a token. Every token of every text counts, whether or
/// not texts share prefixes. In the last layer, all tokens need keys and values, and only the
/// pooled one needs the rest; so does the projection. Attention, norms and the loss are not
/// counted.
double needed_flops(const TextConfig& config, const std::vector<int64_t>& lengths);

/// Who computes a product.
enum class ProductKind {
  kLibtorch,  ///< at::linear and at::mm, as autograd calls them.
  kOneDnn,    ///< oneDNN's linear, which libtorch does not use for float32 by default.
  kOwn,       ///< paraclip's gemm, with the packing of factors that are not weights.
};
ProductKind parse_product_kind(const std::string& name);

/// A linear layer, named.
struct Layer {
  const char* name;
  int64_t in, out;
};

/// The linear layers of a tower's block.
std::array<Layer, 4> block_layers(const TextConfig& config);

/// One layer's operands, of random numbers, and its three products as each kind computes them.
/// Weights are packed beforehand: a step packs them once, not once a product.
class LayerProducts {
 public:
  LayerProducts(const Layer& layer, int64_t tokens, bool bfloat16, ProductKind kind);

  void forward();
  void input_gradient();
  void weight_gradient();

 private:
  Layer layer_;
  ProductKind kind_;
  NumberType type_;
  at::Tensor input_, gradient_, weight_, bias_, transposed_weight_;
  at::Tensor output_, input_gradient_, weight_gradient_;
  PackedFactor forward_, backward_, right_;
};

/// The matrix products of a tower's blocks alone: each of the four layers forward, and its two
/// gradients, for `tokens` rows, `repeats` times.
///
/// @return a list of {name, flops, seconds: [repeats]}
Json time_products(const TextConfig& config, int64_t tokens, bool bfloat16, ProductKind kind,
                   int64_t repeats);

}  // namespace paraclip::bench
