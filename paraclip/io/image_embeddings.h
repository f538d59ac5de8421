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
/// [n_i, width] of f16 or f32 with rows of length 1, and the ids in the order of all rows (shards
/// sorted by their number; numbers may have leading zeros), which stand either in `ids.txt`, one a
/// line, or in `metadata/metadata_{i}.parquet`, in the first of the columns image_path, key, id and
/// image_id that there is.
///
/// `embeddings.json`, which `paraclip embed` writes, adds what made them.
///
/// The shards stay mapped: millions of rows cost their ids in memory, not their numbers.
class ImageEmbeddings {
 public:
  /// Opens `folder` and checks all of it. The ids are taken from the metadata's column `id_column`
  /// if that is not empty, whether or not there is an ids.txt. Throws kIo; kData for missing or
  /// malformed shards, shards that differ in width, an id that appears twice, a count of ids other
  /// than that of rows (of each shard, where they stand in its metadata), rows that are not finite
  /// or not of length 1, and embeddings that `paraclip embed` has not finished.
  static ImageEmbeddings load(const std::filesystem::path& folder,
                              const std::string& id_column = "");

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

  /// The fingerprint of the image tower that made the embeddings, if embeddings.json says it.
  const std::optional<std::string>& tower() const { return tower_; }

  /// The embeddings of `rows` (each in [0, size())), copied to [rows, width] of f32.
  at::Tensor rows(std::span<const int64_t> rows) const;

 private:
  ImageEmbeddings() = default;

  std::vector<at::Tensor> shards_;   // Views of the mapped files, [n_i, width] of f16 or f32.
  std::vector<int64_t> first_rows_;  // Of each shard, the row of the collection it begins with.
  std::vector<std::string> ids_;
  std::unordered_map<std::string_view, int64_t> rows_by_id_;  // The keys are views of ids_.
  std::optional<std::string> tower_;
  int64_t width_ = 0;
};

/// What ImageEmbeddings::tower() is for the embeddings in `folder`, without opening them. Throws
/// kIo, kData.
std::optional<std::string> image_tower_of(const std::filesystem::path& folder);

}  // namespace paraclip
