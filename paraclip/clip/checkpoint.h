#pragma once

#include "paraclip/clip/config.h"
#include "paraclip/clip/text_tower.h"

#include <filesystem>
#include <vector>

namespace paraclip {

/// Reads the text tower's tensors from an HF model.safetensors, as float32 copies in the order of
/// text_tensor_names(). logit_scale may be missing from a text-only file: it then has the
/// configuration's initial value.
///
/// Throws kIo, kData; tensors that are missing, unexpected or of another shape or type are listed
/// all in one message.
std::vector<NamedTensor> read_text_tensors(const std::filesystem::path& file,
                                           const ClipConfig& config);

/// The same tensors under HF's names, q, k and v apart: what goes into a model.safetensors.
std::vector<NamedTensor> to_hf_tensors(const TextConfig& config,
                                       const std::vector<NamedTensor>& parameters);

/// The tensors of `file` that are not the text tower's, as views of the mapped file: those of the
/// image tower.
std::vector<NamedTensor> read_vision_tensors(const std::filesystem::path& file);

}  // namespace paraclip
