#include "paraclip/io/mapped_tensor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace paraclip {

static_assert(std::endian::native == std::endian::little, "the file formats are little-endian");

std::optional<int64_t> checked_numel(std::span<const int64_t> shape) {
  int64_t strides = 1;
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    empty = empty || size == 0;
    if (__builtin_mul_overflow(strides, std::max<int64_t>(size, 1), &strides)) return std::nullopt;
  }
  return empty ? 0 : strides;
}

at::Tensor mapped_tensor(const std::shared_ptr<const MappedFile>& file, uint64_t offset,
                         std::span<const int64_t> shape, at::ScalarType type) {
  const at::IntArrayRef sizes(shape.data(), shape.size());
  if (checked_numel(shape) == 0) return at::empty(sizes, type);
  const std::byte* data = file->bytes().data() + offset;
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(type) != 0) {
    at::Tensor copy = at::empty(sizes, type);
    std::memcpy(copy.data_ptr(), data, copy.nbytes());
    return copy;
  }
  return at::from_blob(
      const_cast<std::byte*>(data), sizes, [file](void*) {}, type);
}

}  // namespace paraclip
