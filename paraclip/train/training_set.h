#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/train/token_cache.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace paraclip {

/// What joining triples with image embeddings found.
struct JoinReport {
  int64_t read = 0;  ///< Records in the file.
  int64_t kept = 0;
  int64_t incomplete =
      0;  ///< A paraphrase is null or empty, as the official script writes after a failed call.
  int64_t missing = 0;                   ///< image_id is not among the embeddings.
  int64_t truncated = 0;                 ///< Texts cut at the context length.
  std::vector<std::string> missing_ids;  ///< Each once, in the order met.
};

/// Triples, tokenized and joined with the rows of their images: what training draws from.
class TrainingSet {
 public:
  /// The texts of a triple, by their place in it.
  enum Part : size_t { kCaption, kParaphrase1, kParaphrase2, kParts };

  /// Joins the triples with their images. What TokenizedTriples::load() does with `token_cache`,
  /// the joining does again each time.
  ///
  /// Throws kIo; kData for a malformed record, when more than `max_missing` (a share of 0 to 1) of
  /// the records name images that are not in `images`, or when nothing is left.
  static TrainingSet load(const std::filesystem::path& triples, const ImageEmbeddings& images,
                          const TextModel& model, double max_missing,
                          const ProgressCallback& progress = {},
                          const std::filesystem::path& token_cache = {});

  int64_t size() const { return static_cast<int64_t>(image_rows_.size()); }
  const JoinReport& report() const { return report_; }

  int64_t image_row(int64_t sample) const { return image_rows_[static_cast<size_t>(sample)]; }

  /// The token ids of one text of a sample, start token to pooled token.
  std::vector<int64_t> tokens(int64_t sample, Part part) const;

  /// A number that is equal for texts of equal tokens.
  int64_t identity(int64_t sample, Part part) const {
    return triples_.identity(record(sample), part);
  }

  /// A hash of everything in it: a resumed run must draw from the same set.
  std::string fingerprint() const;

 private:
  explicit TrainingSet(TokenizedTriples triples) : triples_(std::move(triples)) {}

  int64_t record(int64_t sample) const { return records_[static_cast<size_t>(sample)]; }

  TokenizedTriples triples_;
  std::vector<int64_t> records_;  // Of each sample.
  std::vector<int64_t> image_rows_;
  JoinReport report_;
};

}  // namespace paraclip
