#pragma once

#include "paraclip/clip/model_files.h"

#include <filesystem>

namespace paraclip {

/// Writes what belongs beside the weights and the configuration of a model into the existing folder
/// `target`: the tokenizer's files, copied from `files.folder`, and, in HF's form, the
/// preprocessing of images. HF's form has to have both: what is missing there is made, the
/// tokenizer's files from CLIP's own vocabulary. Throws kIo.
void write_companions(const ModelFiles& files, const std::filesystem::path& target,
                      ModelFamily family);

}  // namespace paraclip
