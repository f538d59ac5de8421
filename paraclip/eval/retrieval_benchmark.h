#pragma once

#include "paraclip/base/json.h"
#include "paraclip/base/progress.h"
#include "paraclip/eval/paraphrased_retrieval.h"
#include "paraclip/eval/retrieval.h"
#include "paraclip/eval/retrieval_data.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace paraclip {

/// Turns n texts into float32 unit rows [n, width].
using TextEncoder = std::function<at::Tensor(const std::vector<std::string>& texts)>;

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
  /// Reads the data. Throws as load_retrieval_data().
  static RetrievalBenchmark load(const RetrievalOptions& options);

  /// Encodes every distinct text once and measures. `progress` counts texts. Throws what the
  /// encoder and top_k() throw; kData if the encoder's vectors don't fit the image embeddings;
  /// kInterrupted if a stop was asked for.
  RetrievalReport run(const TextEncoder& encode, const ProgressCallback& progress = {}) const;

  /// Writes one line of JSON for each caption, image and pair to `path`: what it is and its rank or
  /// its AO@k and JS@k in percent. `report` must come from this benchmark. Throws kIo.
  void write_examples(const RetrievalReport& report, const std::filesystem::path& path) const;

  /// The width of the image embeddings.
  int64_t width() const { return data_.images.size(1); }

 private:
  RetrievalBenchmark(RetrievalData data, int64_t k, std::vector<int64_t> recall_k);
  at::Tensor encode_texts(const TextEncoder& encode, const ProgressCallback& progress) const;
  void measure_captions(const at::Tensor& vectors, RetrievalReport& report) const;
  void measure_pairs(const at::Tensor& vectors, RetrievalReport& report) const;

  RetrievalData data_;
  int64_t k_;
  std::vector<int64_t> recall_k_;
};

}  // namespace paraclip
