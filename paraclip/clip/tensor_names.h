#pragma once

#include "paraclip/clip/config.h"

#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// A tensor of a tower and where it is found in checkpoints of the two families. The one table that
/// reading and writing use.
struct TensorName {
  std::string name;             ///< Ours: HF's name, with q, k and v fused to "qkv_proj".
  std::vector<int64_t> shape;   ///< Of the whole tensor.
  std::vector<std::string> hf;  ///< HF's names; several are joined along the first dimension, in
                                ///< equal parts. None: HF has no such tower.
  std::vector<std::string> open_clip;  ///< open_clip's names, likewise.
  bool open_clip_transposed = false;   ///< open_clip multiplies by it from the right.

  /// The names in checkpoints of `family`.
  std::vector<std::string> names(ModelFamily family) const;
};

/// Every tensor of a text tower, in the order of computation. The last is "logit_scale", before it
/// stand those of the projection: "text_projection.weight", or RoBERTa's one or two.
std::vector<TensorName> text_tensor_names(const TextConfig& config);

/// Every tensor of an image tower, in the order of computation.
std::vector<TensorName> vision_tensor_names(const VisionConfig& config);

/// Whether a tensor of this name belongs to the image tower.
bool is_vision_tensor(std::string_view name, ModelFamily family);

/// Whether it is a buffer that old versions of transformers or open_clip, or OpenAI, wrote: not
/// read, and not written back. Takes canonical names, as is_vision_tensor() does.
bool is_legacy_buffer(std::string_view name);

}  // namespace paraclip
