#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace paraclip {

/// Vectors by what they were computed from, each once: in memory, and, where a file is named, kept
/// on disk for the next run.
///
/// The file is a header ("PCVECTOR" and the width as 64-bit number) and records of equal length: a
/// 128-bit key, the vector in float32, a checksum. Records that a crash left damaged are passed
/// over; the file can be deleted at any time.
class VectorStore {
 public:
  /// What names a vector: a hash of its text, or of what identifies an image.
  struct Key {
    uint64_t first = 0, second = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return key.first; }
  };
  static Key key_of(std::string_view content);

  /// Vectors of `width` numbers. Reads those in `file` if it is not empty and there is one: a file
  /// that cannot be read or is of another width counts as empty and is replaced.
  explicit VectorStore(int64_t width, std::filesystem::path file = {});

  /// The row of the vector that `key` names.
  std::optional<int64_t> find(const Key& key) const;

  /// Adds a vector; its key must not be there.
  void add(const Key& key, std::span<const float> vector);

  /// Float32 [rows, width].
  at::Tensor rows(std::span<const int64_t> rows) const;

  /// Appends what was added to the file, under a lock. What goes wrong is logged and costs nothing
  /// but the next run's time.
  void save();

  int64_t width() const { return width_; }

 private:
  size_t record_bytes() const;
  bool load();

  int64_t width_;
  std::filesystem::path file_;
  bool replace_ = false;  // What stands under the name is of no use.
  std::unordered_map<Key, int64_t, KeyHash> rows_;
  std::vector<Key> keys_;
  std::vector<float> values_;
  size_t saved_ = 0;  // The first so many of keys_ are in the file.
};

}  // namespace paraclip
