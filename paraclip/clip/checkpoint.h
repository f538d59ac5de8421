#pragma once

#include "paraclip/clip/config.h"
#include "paraclip/clip/model_files.h"
#include "paraclip/clip/tensor_names.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace paraclip {

/// A parameter under its name (clip/tensor_names.h).
using NamedTensor = std::pair<std::string, at::Tensor>;

/// Reads the tensors of the text tower as float32 copies, in the order of text_tensor_names().
/// logit_scale may be missing from a text-only file: it then has the configuration's initial value.
///
/// Throws kIo, kData; tensors that are missing, unexpected or of another shape or type are listed
/// all in one message.
std::vector<NamedTensor> read_text_tensors(const ModelFiles& files);

/// Reads the tensors of the image tower likewise, in the order of vision_tensor_names(). Throws
/// kData also where there is no image tower
/// that can be computed.
std::vector<NamedTensor> read_vision_tensors(const ModelFiles& files);

/// Tensors of a tower under the names and in the layout of `family`: what goes into a file.
/// `tensors` stand in the order of `entries`.
std::vector<NamedTensor> to_file_tensors(const std::vector<TensorName>& entries,
                                         const std::vector<NamedTensor>& tensors,
                                         ModelFamily family);

/// The image tower's tensors as they are in the file, in its types, as views of the mapping under
/// canonical names; also of a tower that cannot be computed.
std::vector<NamedTensor> view_vision_tensors(const ModelFiles& files);

/// The tensors of `entries` in the types of the file, under the names and in the layout of
/// `target`, views where the layout is the same. Throws kIo, kData as read_text_tensors() does.
std::vector<NamedTensor> convert_tensors(const ModelFiles& files,
                                         const std::vector<TensorName>& entries,
                                         ModelFamily target);

/// Throws kData, listing all at once, if the weights lack a tensor of the configuration's towers,
/// or have one too many or of another shape or type.
void check_tensors(const ModelFiles& files);

/// Random weights for training from nothing, by OpenAI's scheme (CLIP/clip/model.py,
/// initialize_parameters): normal, with deviations that depend on width and depth; biases 0, norms
/// 1, logit_scale the configuration's. A pure function of the seed.
std::vector<NamedTensor> initial_tensors(const std::vector<TensorName>& entries, int64_t width,
                                         int64_t layers, double logit_scale, uint64_t seed);

/// A hash of tensors and of what else determines the result (`salt`), as 16 hexadecimal digits.
std::string fingerprint_of(const std::vector<NamedTensor>& tensors, const std::string& salt);

}  // namespace paraclip
