#include "paraclip/clip/roberta_tower.h"

#include "paraclip/nn/linear.h"
#include "paraclip/nn/packed_attention.h"

#include <ATen/ATen.h>

namespace paraclip {
namespace {

// Takes the tensors one after the other: their table is in the order of computation.
class Tensors {
 public:
  explicit Tensors(std::span<const NamedTensor> tensors) : tensors_(tensors) {}

  const at::Tensor& next() { return tensors_[next_++].second; }

  // The layer of the next weight and bias.
  at::Tensor layer(const at::Tensor& x) {
    const at::Tensor& weight = next();
    return linear_layer(x, weight, next());
  }

  at::Tensor norm(const at::Tensor& x, const TextConfig& config) {
    const at::Tensor& weight = next();
    return at::layer_norm(x, {config.width}, weight, next(), config.layer_norm_eps);
  }

 private:
  std::span<const NamedTensor> tensors_;
  size_t next_ = 0;
};

at::Tensor embed(const TextConfig& config, const PackedText& text, Tensors& tensors) {
  const at::Tensor words = at::embedding(tensors.next(), text.ids);
  const at::Tensor positions = at::embedding(tensors.next(), text.positions);
  const at::Tensor& token_type = tensors.next();  // [1, width]: RoBERTa has a single one.
  return tensors.norm(words + token_type + positions, config);
}

at::Tensor post_norm_block(const at::Tensor& x, const TextConfig& config, const PackedText& text,
                           Tensors& tensors) {
  const at::Tensor attended =
      packed_attention(tensors.layer(x), text.depths, config.heads, /*causal=*/false);
  const at::Tensor y = tensors.norm(tensors.layer(attended) + x, config);
  const at::Tensor hidden = at::gelu(tensors.layer(y));
  return tensors.norm(tensors.layer(hidden) + y, config);
}

}  // namespace

at::Tensor roberta_forward(const TextConfig& config, std::span<const NamedTensor> parameters,
                           const PackedText& text) {
  Tensors tensors(parameters);
  at::Tensor x = embed(config, text, tensors);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    x = post_norm_block(x, config, text, tensors);
  }
  // Texts stand one after the other: the ends tell their lengths.
  const at::Tensor ends = at::tensor(at::ArrayRef<int64_t>(text.ends), at::kLong);
  const at::Tensor lengths = ends.diff(1, 0, at::tensor({-1}, at::kLong));
  at::Tensor pooled = at::segment_reduce(x, "mean", lengths);
  if (config.projection_hidden > 0) pooled = at::gelu(linear_layer(pooled, tensors.next()));
  return linear_layer(pooled, tensors.next());
}

}  // namespace paraclip
