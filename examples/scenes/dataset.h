#pragma once

#include "examples/scenes/captions.h"
#include "paraclip/base/progress.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace paraclip::scenes {

enum class DatasetFormat {
  kFolder,      ///< images/ID.jpg, captions.tsv (image_id, caption), scenes.jsonl.
  kWebDataset,  ///< 00000.tar, 00001.tar, ... with ID.jpg, ID.txt and ID.json.
};

struct DatasetOptions {
  std::filesystem::path output;
  uint64_t seed = 0;
  uint64_t first = 0;    ///< Index of the first scene.
  int64_t count = 1000;  ///< Scenes.
  int side = 192;        ///< Width and height of the pictures, in pixels.
  int quality = 92;      ///< Of the JPEGs, 1 to 100.
  int64_t captions_per_image = 1;
  /// The style of all captions; without one, both, with the share below.
  std::optional<CaptionStyle> style;
  double plain_share = 0.3;
  DatasetFormat format = DatasetFormat::kFolder;
  int64_t shard_size = 1000;    ///< Scenes a tar.
  double corrupt_fraction = 0;  ///< Share of the JPEGs to damage; corrupt.txt lists their ids.
  /// Also writes visual_genome_relation.json and visual_genome_attribution.json (folder form only).
  bool aro = false;

  /// Throws kUsage.
  void validate() const;
};

/// What was written.
struct DatasetCounts {
  int64_t scenes = 0;
  int64_t captions = 0;
  int64_t corrupt = 0;
  int64_t relation_cases = 0;
  int64_t attribution_cases = 0;
};

/// The captions that a data set with these options has for `scene`.
std::vector<std::string> captions_for(const Scene& scene, const DatasetOptions& options);

/// Draws the scenes and writes them with their captions. The folder appears under its name when it
/// is complete. Throws kUsage if `output` exists and is not an empty folder, kIo, kInterrupted.
DatasetCounts write_dataset(const DatasetOptions& options, const ProgressCallback& progress);

}  // namespace paraclip::scenes
