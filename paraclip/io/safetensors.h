#pragma once

#include "paraclip/base/file.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace paraclip {

/// `type` as safetensors files spell it: "F32", "BF16", "I64", ... Throws kUsage for one that the
/// format lacks.
std::string safetensors_dtype(at::ScalarType type);

/// What a safetensors header says of one tensor.
struct TensorInfo {
  std::string dtype;           ///< As the file spells it: "F16", "BF16", "I64", ...
  std::vector<int64_t> shape;  ///< Empty for a scalar.
  uint64_t begin = 0;          ///< First byte, counted from the start of the data.
  uint64_t end = 0;            ///< One past the last byte.
};

/// A safetensors file, mapped into memory and checked as a whole before anything is handed out.
///
/// The format and the order of the checks are those of the reference implementation
/// (https://github.com/huggingface/safetensors, safetensors/src/tensor.rs); a key that appears
/// twice, which parsers resolve differently, is refused as well, and so is a header of more than 4
/// MB (the reference: 100 MB), which no model needs. Copies share the mapping.
class SafetensorsFile {
 public:
  /// Maps `path` and checks its header. Throws kIo if the file cannot be read, kData if it is
  /// malformed: truncated, with overlapping tensors or holes, sizes that do not fit the shapes, ...
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }

  /// As MappedFile::release_pages().
  void release_pages() const { file_->release_pages(); }

  /// The names of all tensors, sorted.
  const std::vector<std::string>& names() const { return names_; }

  bool contains(const std::string& name) const { return tensors_.contains(name); }

  /// The tensor `name` on the CPU, a view of the mapping where its address is aligned to its
  /// elements (files of the reference writer and of write_safetensors always are), a copy
  /// otherwise. The view keeps the mapping alive and outlives this object. Its pages are read-only:
  /// writing to it (`add_`, `copy_`) kills the process, so clone() what shall be changed. Throws
  /// kData if there is no such tensor or its type is one that torch lacks (F4, F6_E2M3, F6_E3M2).
  at::Tensor tensor(const std::string& name) const;

  /// The shape of the tensor `name`; empty for a scalar. Throws kData if there is no such tensor.
  const std::vector<int64_t>& shape(const std::string& name) const;

  /// The type of the tensor `name` as the file spells it: "F16", "BF16", "I64", ... Throws kData if
  /// there is no such tensor.
  const std::string& dtype(const std::string& name) const;

  /// What the header holds under "__metadata__": {"format": "pt"} in files for transformers.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  explicit SafetensorsFile(std::shared_ptr<const MappedFile> file);
  const TensorInfo& info(const std::string& name) const;

  std::shared_ptr<const MappedFile> file_;
  uint64_t data_begin_ = 0;  // Bytes from the start of the file.
  std::map<std::string, TensorInfo> tensors_;
  std::vector<std::string> names_;
  std::map<std::string, std::string> metadata_;
};

/// Writes `tensors` (any device, any strides) to `path`, which appears only when it is complete and
/// may be a file that is mapped at the moment. Larger element types come first, then names in
/// order; the header is padded to a multiple of 8 bytes, so that every tensor is aligned. Give
/// {{"format", "pt"}} as `metadata` for transformers. Throws kUsage for a name given twice, the
/// name "__metadata__" and a type that the format lacks; kIo.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace paraclip
