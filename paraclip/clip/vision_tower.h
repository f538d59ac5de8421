#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/config.h"
#include "paraclip/clip/precision.h"
#include "paraclip/clip/transformer_block.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace paraclip {

/// CLIP's image encoder (a vision transformer, Radford et al., 2021) in float32, with gradients by
/// autograd.
class VisionTower {
 public:
  /// Takes the tensors of vision_tensor_names(config), in that order, as float32. They become
  /// leaves of autograd when set_trainable(true) is called.
  VisionTower(const VisionConfig& config, std::vector<NamedTensor> parameters);

  const VisionConfig& config() const { return config_; }

  /// Every parameter, in the order of vision_tensor_names().
  const std::vector<NamedTensor>& parameters() const { return parameters_; }

  void set_trainable(bool trainable);

  /// The embeddings of preprocessed images [batch, 3, image_size, image_size], not normalised:
  /// [batch, projection_dim].
  at::Tensor forward(const at::Tensor& pixels) const;

 private:
  VisionConfig config_;
  std::vector<NamedTensor> parameters_;
};

/// The same encoder for inference alone: weights packed once, in float32 or bfloat16.
class PackedVisionTower {
 public:
  /// `parameters` as for VisionTower; moved in, each is freed as soon as it is packed. Matrices are
  /// copied, vectors shared: not for a tower that is being trained.
  PackedVisionTower(const VisionConfig& config, std::vector<NamedTensor> parameters,
                    Precision precision);

  /// As VisionTower::forward(), float32 in and out, without gradients.
  at::Tensor forward(const at::Tensor& pixels) const;

 private:
  VisionConfig config_;
  at::ScalarType type_;
  PackedLinear patches_;
  at::Tensor class_token_, positions_;
  at::Tensor pre_weight_, pre_bias_, post_weight_, post_bias_;
  std::vector<PackedBlock> blocks_;
  PackedLinear projection_;
};

}  // namespace paraclip
