#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/config.h"
#include "paraclip/clip/packed_text.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace paraclip {

/// The text encoder over packed batches, CLIP's own or RoBERTa, in float32, with gradients by
/// autograd.
class TextTower {
 public:
  /// Takes the tensors of text_tensor_names(config), in that order, as float32. They become leaves
  /// of autograd when set_trainable(true) is called.
  TextTower(const TextConfig& config, std::vector<NamedTensor> parameters);

  const TextConfig& config() const { return config_; }

  /// Every parameter, logit_scale included, in the order of text_tensor_names().
  const std::vector<NamedTensor>& parameters() const { return parameters_; }

  /// The scalar t of logits exp(t) * cosine.
  const at::Tensor& logit_scale() const { return parameters_.back().second; }

  void set_trainable(bool trainable);

  /// The embeddings of a packed batch, not normalised: [batch, projection_dim].
  at::Tensor forward(const PackedText& text) const;

 private:
  at::Tensor clip_forward(const PackedText& text) const;
  const at::Tensor& at(size_t index) const { return parameters_[index].second; }

  TextConfig config_;
  std::vector<NamedTensor> parameters_;
};

/// Rows of unit length: x / |x|, [n, width]. A zero row stays zero (as
/// torch.nn.functional.normalize does).
at::Tensor normalize_rows(const at::Tensor& rows);

}  // namespace paraclip
