#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/config.h"
#include "paraclip/clip/packed_text.h"
#include "paraclip/clip/precision.h"
#include "paraclip/clip/text_engine.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace paraclip {

/// The text encoder over packed batches, CLIP's own or RoBERTa, with gradients by autograd.
class TextTower {
 public:
  /// Takes the tensors of text_tensor_names(config), in that order, as float32. They become leaves
  /// of autograd when set_trainable(true) is called.
  TextTower(const TextConfig& config, std::vector<NamedTensor> parameters);

  TextTower(TextTower&&) = default;
  TextTower& operator=(TextTower&&) = default;

  const TextConfig& config() const { return config_; }

  /// Every parameter, logit_scale included, in the order of text_tensor_names().
  const std::vector<NamedTensor>& parameters() const { return parameters_; }

  /// The scalar t of logits exp(t) * cosine.
  const at::Tensor& logit_scale() const { return parameters_.back().second; }

  void set_trainable(bool trainable);

  /// What products are computed in from now on; float32 at first. RoBERTa knows float32 only:
  /// throws kUsage for another.
  void set_precision(Precision precision);
  Precision precision() const { return precision_; }

  /// The embeddings of a packed batch, not normalised: [batch, projection_dim] float32.
  ///
  /// Where parameters want gradients, a backward pass through the result adds them straight to the
  /// parameters' `grad`, in one pass over the memory, and hands none to autograd.
  at::Tensor forward(const PackedText& text) const;

  /// About how many bytes forward() keeps for a backward pass over `text`.
  int64_t tape_bytes(const PackedText& text) const;

 private:
  TextConfig config_;
  std::vector<NamedTensor> parameters_;
  Precision precision_ = Precision::kFp32;
  std::shared_ptr<TextEngine> engine_;  // Of CLIP's own.
};

/// Rows of unit length: x / |x|, [n, width]. A zero row stays zero (as
/// torch.nn.functional.normalize does).
at::Tensor normalize_rows(const at::Tensor& rows);

}  // namespace paraclip
