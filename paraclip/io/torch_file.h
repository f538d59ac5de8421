#pragma once

#include "paraclip/base/file.h"
#include "paraclip/io/tensor_file.h"

#include <memory>

namespace paraclip {

/// Reads what torch.save (of torch 1.6 and later) or torch.jit.save wrote: a zip archive of
/// <prefix>/data.pkl and one member <prefix>/data/<key> for every storage, none of them compressed
/// (torch/csrc/jit/serialization, torch/serialization.py). Throws kData as TensorFile::open.
TensorFile read_torch_zip(const std::shared_ptr<const MappedFile>& file);

/// Reads the stream that torch.save wrote before 1.6 (_legacy_save in torch/serialization.py): five
/// pickles, of which the fourth is the object and the fifth the keys of its storages, then these:
/// the number of elements and the elements. Throws kData as TensorFile::open.
TensorFile read_torch_stream(const std::shared_ptr<const MappedFile>& file);

}  // namespace paraclip
