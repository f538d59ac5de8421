#pragma once

#include "paraclip/clip/model_files.h"

#include <filesystem>

namespace paraclip {

/// Writes a model in the form of `target` as the folder `output`, which must not exist: weights in
/// the types that they have, configuration, the tokenizer's and preprocessing's files, and a model
/// card. Only names and layout change (q, k and v are joined or parted, projections transposed): no
/// number does, and converting back gives every tensor bit for bit. An image tower that cannot be
/// computed is kept where the family stays the same.
///
/// Throws kIo, kData as loading does; kUsage where `output` exists, or where the other family has
/// no form for the model, saying why.
void convert_model(const ModelFiles& files, ModelFamily target,
                   const std::filesystem::path& output);

}  // namespace paraclip
