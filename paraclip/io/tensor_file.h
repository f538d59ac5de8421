#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace paraclip {

/// The forms in which files hold tensors.
enum class TensorFormat {
  kSafetensors,  ///< One safetensors file.
  kSharded,      ///< Several files of the other forms, after an index (*.index.json).
  kTorch,        ///< torch.save: .pt, .pth, .bin; a zip archive, or the stream of before torch 1.6.
  kTorchScript,  ///< torch.jit.save, as OpenAI published CLIP.
};

/// "safetensors", "sharded", "torch" or "TorchScript".
std::string to_string(TensorFormat format);

/// Named tensors as they lie on the disk, mapped into memory and checked as a whole before anything
/// is handed out. Nothing but what is asked for is read. Copies share the mapping.
class TensorFile {
 public:
  /// One tensor: what it is, and how to get at it.
  struct Entry {
    std::vector<int64_t> shape;  ///< Empty for a scalar.
    std::string dtype;           ///< As safetensors spell it: "F32", "F16", "BF16", "I64", ...
    std::function<at::Tensor()> view;  ///< A view of the mapping, or a copy where that cannot be.
    std::function<void()> release;     ///< Lets go of the pages of its file that were read so far.
  };

  /// Opens `path`, of whichever format its first bytes show it to be; an index of shards
  /// (*.index.json) opens the shards beside it. Of a torch file the state dict is taken: what the
  /// key "state_dict", "model_state_dict", "model" or "module" holds, or else the outermost
  /// dictionary; pickles are read as tensors and plain data only (io/pickle.h). Throws kIo; kData
  /// for a file that is malformed, of another kind, or that holds what is neither tensor nor plain
  /// data.
  static TensorFile open(const std::filesystem::path& path);

  TensorFile(std::filesystem::path path, TensorFormat format, std::map<std::string, Entry> entries);

  /// What open() was given.
  const std::filesystem::path& path() const { return path_; }
  TensorFormat format() const { return format_; }

  /// Every tensor by its name.
  const std::map<std::string, Entry>& entries() const { return entries_; }

  bool contains(const std::string& name) const { return entries_.contains(name); }

  /// The tensor `name` on the CPU, in the type of the file. It may be a view of read-only pages,
  /// which outlives this object: clone() what shall be changed. Throws kData if there is none, or
  /// its type is one that torch lacks.
  at::Tensor tensor(const std::string& name) const;

 private:
  std::filesystem::path path_;
  TensorFormat format_;
  std::map<std::string, Entry> entries_;
};

}  // namespace paraclip
