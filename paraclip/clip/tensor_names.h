#pragma once

#include "paraclip/clip/config.h"

#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// A tensor of the text tower and where it is found in checkpoints.
struct TensorName {
  std::string name;            ///< Ours: HF's name, with q, k and v fused to "qkv_proj".
  std::vector<int64_t> shape;  ///< Of the whole tensor.
  std::vector<std::string>
      hf;  ///< HF's names; several are joined along the first dimension, in equal parts.
};

/// Every tensor of a text tower, in the order of computation. The last two are
/// "text_projection.weight" and "logit_scale".
std::vector<TensorName> text_tensor_names(const TextConfig& config);

/// Whether a tensor of this (HF) name in a checkpoint is not part of a text tower and may be passed
/// over: the image tower, and buffers that old versions of transformers wrote.
bool is_passed_over(std::string_view hf_name);

/// Whether it is one of those legacy buffers, which are not written back.
bool is_legacy_buffer(std::string_view hf_name);

}  // namespace paraclip
