#pragma once

#include "paraclip/base/json.h"
#include "paraclip/base/progress.h"
#include "paraclip/eval/paraphrased_retrieval.h"
#include "paraclip/eval/retrieval.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace paraclip {

/// Turns n texts into float32 unit rows [n, width].
using TextEncoder = std::function<at::Tensor(const std::vector<std::string>& texts)>;

/// What to measure retrieval on. At least one of `captions` and `pairs` is needed.
struct RetrievalOptions {
  std::filesystem::path image_embeddings;  ///< Folder for ImageEmbeddings::load().
  /// Image ids, one a line: the pool. Left out, the pool is the images that `captions` names, and
  /// without captions all images.
  std::filesystem::path images;
  std::filesystem::path captions;           ///< TSV with the columns image_id, caption.
  std::filesystem::path pairs;              ///< TSV with the columns query, paraphrase.
  int64_t k = 10;                           ///< Depth of AO@k and JS@k.
  std::vector<int64_t> recall_k{1, 5, 10};  ///< Depths of recall@k.

  /// Throws kUsage.
  void validate() const;
};

/// What one encoder reached, with all that is needed to read the numbers and to compare them.
struct RetrievalReport {
  /// Percent by name: t2i_recall@K, i2t_recall@K (with captions), ao@K, js@K (with pairs).
  nlohmann::ordered_map<std::string, double> metrics;
  nlohmann::ordered_map<std::string, std::string> protocol;  ///< How each number is computed.
  nlohmann::ordered_map<std::string, int64_t> counts;        ///< Images, captions, pairs, ...

  // Per example, in the order of the files.
  std::vector<Rank> caption_ranks;          ///< Of each caption's image.
  std::vector<Rank> image_ranks;            ///< Of the best caption of each image that has one.
  std::vector<RankSimilarity> pair_values;  ///< Of each pair of queries.

  /// {"metrics": {...}, "protocol": {...}, "counts": {...}}.
  Json to_json() const;
};

/// Text-to-image, image-to-text and paraphrased retrieval over one pool of images: read once, run
/// on any number of encoders.
class RetrievalBenchmark {
 public:
  /// Reads all files. With `images` given, captions of other images are left out and counted.
  /// Throws kIo; kUsage for bad options and for depths that exceed the pool; kData for malformed
  /// files, blank texts, an image listed twice, and image ids without an embedding (their count and
  /// the first few).
  static RetrievalBenchmark load(const RetrievalOptions& options);

  /// Encodes every distinct text once and measures. `progress` counts texts. Throws what the
  /// encoder and top_k() throw; kData if the encoder's vectors don't fit the image embeddings;
  /// kInterrupted if a stop was asked for.
  RetrievalReport run(const TextEncoder& encode, const ProgressCallback& progress = {}) const;

  /// Writes one line of JSON for each caption, image and pair to `path`: what it is and its rank
  /// (null below the greatest depth) or its AO@k and JS@k in percent. `report` must come from
  /// this benchmark. Throws kIo.
  void write_examples(const RetrievalReport& report, const std::filesystem::path& path) const;

  /// The width of the image embeddings.
  int64_t width() const { return images_.size(1); }

 private:
  struct Reader;

  RetrievalBenchmark() = default;
  at::Tensor encode_texts(const TextEncoder& encode, const ProgressCallback& progress) const;
  void measure_captions(const at::Tensor& vectors, RetrievalReport& report) const;
  void measure_pairs(const at::Tensor& vectors, RetrievalReport& report) const;

  std::string pool_;  // In words.
  int64_t k_ = 0;
  std::vector<int64_t> recall_k_;  // Ascending, distinct.

  std::vector<std::string> image_ids_;  // Of the pool.
  at::Tensor images_;                   // [pool, width]
  std::vector<std::string> texts_;      // Distinct.

  std::vector<int64_t> caption_text_;    // Of each caption, the row in texts_.
  std::vector<int64_t> caption_image_;   // Of each caption, the row in queried_images_.
  std::vector<int64_t> queried_images_;  // Rows in images_ of the images that have a caption.
  int64_t captions_left_out_ = 0;

  std::vector<int64_t> pair_query_;  // Rows in texts_.
  std::vector<int64_t> pair_paraphrase_;
};

}  // namespace paraclip
