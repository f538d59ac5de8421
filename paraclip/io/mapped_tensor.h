#pragma once

#include "paraclip/base/file.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace paraclip {

/// The number of elements of a tensor of `shape`, or nothing if it (counting empty dimensions as
/// one, as strides do) or a dimension is beyond what 64 bits hold.
std::optional<int64_t> checked_numel(std::span<const int64_t> shape);

/// The `shape` tensor of `type` whose elements begin `offset` bytes into `file`: a view that keeps
/// the mapping alive, or a copy if the address is not aligned to the elements. The caller has
/// checked that the bytes are in the file.
at::Tensor mapped_tensor(const std::shared_ptr<const MappedFile>& file, uint64_t offset,
                         std::span<const int64_t> shape, at::ScalarType type);

}  // namespace paraclip
