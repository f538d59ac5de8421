#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace paraclip {

/// The embeddings of an image collection and the ids of its images, in clip-retrieval's layout
/// (https://github.com/rom1504/clip-retrieval): a folder with `img_emb/img_emb_{i}.npy`, each
/// [n_i, width] of f16 or f32 with rows of length 1, and `ids.txt` with one image id a line in the
/// order of all rows (shards sorted by their number).
///
/// The shards stay mapped: millions of rows cost their ids in memory, not their numbers.
class ImageEmbeddings {
 public:
  /// Opens `folder` and checks all of it. Throws kIo; kData for missing or malformed shards, shards
  /// that differ in width, an id that appears twice, a count of ids other than that of rows, and
  /// rows that are not finite or not of length 1.
  static ImageEmbeddings load(const std::filesystem::path& folder);

  ImageEmbeddings(ImageEmbeddings&&) = default;
  ImageEmbeddings& operator=(ImageEmbeddings&&) = default;

  /// The number of images.
  int64_t size() const { return static_cast<int64_t>(ids_.size()); }

  /// The length of an embedding.
  int64_t width() const { return width_; }

  /// The row of the image `id`, if the collection has it.
  std::optional<int64_t> row(std::string_view id) const;

  /// The ids of all images, in the order of the rows.
  const std::vector<std::string>& ids() const { return ids_; }

  /// The embeddings of `rows` (each in [0, size())), copied to [rows, width] of f32.
  at::Tensor rows(std::span<const int64_t> rows) const;

 private:
  ImageEmbeddings() = default;

  std::vector<at::Tensor> shards_;   // Views of the mapped files, [n_i, width] of f16 or f32.
  std::vector<int64_t> first_rows_;  // Of each shard, the row of the collection it begins with.
  std::vector<std::string> ids_;
  std::unordered_map<std::string_view, int64_t> rows_by_id_;  // The keys are views of ids_.
  int64_t width_ = 0;
};

}  // namespace paraclip
