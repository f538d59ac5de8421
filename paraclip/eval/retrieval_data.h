#pragma once

#include "paraclip/eval/numbering.h"
#include "paraclip/eval/paraphrased_retrieval.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// What to measure retrieval on. At least one of `captions` and `pairs` is needed.
struct RetrievalOptions {
  std::filesystem::path image_embeddings;  ///< Folder for ImageEmbeddings::load().
  /// Image ids, one a line: the pool. Left out, the pool is the images that `captions` names, and
  /// without captions all images.
  std::filesystem::path images;
  std::filesystem::path captions;           ///< For read_caption_file().
  std::filesystem::path pairs;              ///< For read_query_pairs().
  int64_t k = 10;                           ///< Depth of AO@k and JS@k.
  std::vector<int64_t> recall_k{1, 5, 10};  ///< Depths of recall@k.

  /// Throws kUsage.
  void validate() const;
};

/// The texts and images of a retrieval benchmark, in memory.
struct RetrievalData {
  std::string pool_source;             ///< The file or folder that names the images of the pool.
  std::vector<std::string> image_ids;  ///< Of the pool, in the order of its source.
  at::Tensor images;                   ///< [pool, width] float32 unit rows.
  std::vector<std::string> texts;      ///< All captions and queries, each distinct one once.

  /// The images that have a caption, as rows of `images`, in the order of the captions. The others
  /// of the pool are distractors.
  std::vector<int64_t> queried_images;
  std::vector<int64_t> caption_texts;   ///< Of each caption, the row in `texts`.
  std::vector<int64_t> caption_images;  ///< Of each caption, the row in `queried_images`.
  int64_t captions_left_out = 0;        ///< Captions of images outside the pool.

  std::vector<RowPair> pairs;  ///< Of queries, as rows in `texts`.
};

/// The ids that the file `path` lists, one a line. Throws kIo; kData for an id that comes twice and
/// for a list without images.
Numbering read_image_list(const std::filesystem::path& path);

/// Reads all that `options` names. With `images` given, captions of other images are left out and
/// counted. Throws kIo; kUsage for bad options and for depths that exceed what there is to rank;
/// kData for malformed files, blank texts, an image listed twice, and image ids without an
/// embedding (their count and the first few).
RetrievalData load_retrieval_data(const RetrievalOptions& options);

}  // namespace paraclip
