#pragma once

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/embed/pixel_pipeline.h"
#include "paraclip/io/parquet.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace paraclip {

/// The version of the layout, as embeddings.json and shards/run.json name it.
constexpr const char* kEmbeddingsFormat = "paraclip embeddings 1";

/// Throws kInterrupted if a stop was asked for.
void check_embed_stop();

/// What is written for one shard. Row k of everything is the same sample.
struct EmbeddingShard {
  std::string input;                    ///< What it was made of.
  at::Tensor images;                    ///< [rows, width] of f32, or undefined.
  at::Tensor texts;                     ///< [rows, width] of f32, or undefined.
  std::vector<ParquetColumn> metadata;  ///< Each of `rows` values.
  std::vector<BadImage> bad;
};

/// The record of a shard that is complete: shards/{i}.json.
struct ShardRecord {
  std::string input;
  std::vector<std::string> files;  ///< Of the shard, below the folder.
  int64_t rows = 0;
  std::vector<BadImage> bad;
};

/// A folder of embeddings that is being written, in clip-retrieval's layout (clip_inference/
/// writer.py): img_emb/img_emb_{i}.npy and text_emb/text_emb_{i}.npy of f16, and
/// metadata/metadata_{i}.parquet, i with leading zeros. Beside them:
///
/// - shards/run.json: what the run is made with, so that another does not go on in its folder,
/// - shards/{i}.json: written last of a shard, so that a run that was killed knows what is
/// complete,
/// - embeddings.json and bad_images.jsonl: written when all shards are complete.
class EmbeddingFolder {
 public:
  /// Opens or makes `folder` for a run of `shards` shards that `identity` (an object) determines,
  /// and removes what a killed run left half-written. Throws kUsage if the folder holds another
  /// run, naming what differs, or is in use; kIo; kData for damaged records.
  EmbeddingFolder(const std::filesystem::path& folder, const Json& identity, size_t shards);

  /// The records of the shards that are complete.
  const std::vector<std::optional<ShardRecord>>& records() const { return records_; }

  /// Writes shard `index`. If it has an image tensor, its ids (the column image_path) must differ
  /// from those of all other shards. Throws kData if they do not; kIo.
  void write(size_t index, const EmbeddingShard& shard);

  /// Writes `summary`, with the counts of each shard, to embeddings.json, and the bad images to
  /// bad_images.jsonl. All shards must be complete. Throws kIo.
  void finish(Json summary) const;

 private:
  std::filesystem::path record_path(size_t index) const;
  void read_record(size_t index);
  void add_ids(const std::vector<std::string>& ids, const std::string& input);

  std::filesystem::path folder_;
  size_t digits_;  // Of a shard's number.
  AppendFile lock_;
  std::vector<std::optional<ShardRecord>> records_;
  std::unordered_set<uint64_t> ids_;  // Hashes of the ids of complete shards.
};

}  // namespace paraclip
