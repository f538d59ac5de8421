#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/embed/image_source.h"
#include "paraclip/embed/pixel_pipeline.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// How a collection is embedded.
struct EmbedOptions {
  std::filesystem::path output;
  PixelPipelineOptions pipeline;
  /// Largest share of images that may be unreadable, judged from kEnoughImages on and at the end.
  double max_bad_fraction = 0.05;
  int64_t shard_size = 10000;  ///< Texts in a shard.

  /// Images after which a share says something.
  static constexpr int64_t kEnoughImages = 200;

  /// Throws kUsage.
  void validate() const;
};

/// What became of a collection.
struct EmbedReport {
  int64_t shards = 0;
  int64_t resumed = 0;   ///< Shards that an earlier run had made.
  int64_t rows = 0;      ///< Images, or texts, in all shards.
  int64_t computed = 0;  ///< Images, or texts, that this run embedded.
  std::vector<BadImage> bad;
  double seconds = 0;  ///< Of this run, without loading the model.
};

/// Embeds the images of `source` into `options.output` (EmbeddingFolder), shard by shard, and their
/// captions with `text_model` if that is not null. Shards that an earlier run has made are kept, so
/// that a run that was killed goes on where it was, and ends with the same bytes.
///
/// Throws kUsage, kIo, kData (also for more bad images than allowed), kInterrupted when a stop was
/// asked for; what is complete then stays.
EmbedReport embed_images(const ImageModel& model, const TextModel* text_model,
                         const ImageSource& source, const EmbedOptions& options,
                         const ProgressCallback& progress);

/// Embeds the lines of `texts`, or the column `caption` of a table whose first line names its
/// columns, likewise: text_emb and the metadata columns caption and, if the table has it, id.
EmbedReport embed_texts(const TextModel& model, const std::filesystem::path& texts,
                        const EmbedOptions& options, const ProgressCallback& progress);

/// Checks that the embeddings in `embeddings` were made by the image tower of the model in `model`,
/// which alone makes them comparable with its text embeddings. Passes where either is unknown:
/// embeddings of other tools, models without an image tower. Throws kData, naming both; kIo.
void check_image_tower(const std::filesystem::path& embeddings, const ModelSource& model);

}  // namespace paraclip
