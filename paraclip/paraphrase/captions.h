#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// How a file of captions is laid out.
enum class CaptionFormat {
  kAuto,   ///< By extension: .jsonl, .json and .ndjson; .tsv and .tab; anything else is text.
  kJsonl,  ///< One object a line.
  kTsv,    ///< Columns parted by tabs, with or without a header line.
  kText,   ///< One caption a line.
};

/// Where captions come from and which of them are wanted.
struct CaptionOptions {
  std::filesystem::path file;
  CaptionFormat format = CaptionFormat::kAuto;
  /// JSON key or TSV column of the caption, and of the image id. A TSV column is a name in the
  /// header line, or a number counted from 1 in a file without header. Empty: "caption" and
  /// "image_id"; for a TSV file whose first line names no column "caption", columns 1 and 2.
  std::string caption_key;
  std::string image_key;
  /// Plain text only: image ids, line by line beside the captions. Empty: the line number is the
  /// id.
  std::filesystem::path image_ids;
  int min_words = 2;   ///< Captions with fewer whitespace-separated words are left out.
  int max_words = 15;  ///< As are captions with more.
  int64_t limit = 0;   ///< Only the first so many captions kept; 0 for all.
  int64_t shard = 1;   ///< Of those, the ones whose index is shard - 1 modulo shards.
  int64_t shards = 1;

  /// Throws kUsage for an option that makes no sense.
  void validate() const;
};

/// A caption of a CaptionList; the views live as long as the list.
struct CaptionView {
  int64_t index;              ///< Place among the kept captions, or the input's own index.
  std::string_view image_id;  ///< As in the input; may be empty.
  std::string_view text;      ///< Without white space at either end.
};

/// What became of the lines of the input.
struct CaptionCounts {
  int64_t read = 0;       ///< Lines with a caption, empty ones included.
  int64_t empty = 0;      ///< Nothing but white space.
  int64_t too_short = 0;  ///< Fewer words than wanted.
  int64_t too_long = 0;   ///< More words than wanted.
  int64_t kept = 0;       ///< Passed the filter, all shards.
};

/// Captions by ascending index, text and ids in one block of memory.
class CaptionList {
 public:
  size_t size() const { return entries_.size(); }
  CaptionView operator[](size_t position) const;

  /// The position of the caption with `index`, or size() if it is not in the list.
  size_t find(int64_t index) const;

  /// Appends a caption. `index` must be greater than that of the last one.
  void add(int64_t index, std::string_view image_id, std::string_view text);

  CaptionCounts counts;

 private:
  struct Entry {
    int64_t index;
    uint64_t offset;  // into text_: the image id, then the caption
    uint32_t image_id_size;
    uint32_t text_size;
  };

  std::vector<Entry> entries_;
  std::string text_;
};

/// Reads, trims, filters and numbers captions as the official script does: the index counts the
/// captions that pass the filter, unless the JSON records carry an "index" of their own. Throws
/// kUsage for options that do not fit the file, kData with the line for a record that cannot be
/// read, kIo.
CaptionList read_captions(const CaptionOptions& options);

/// The format that `name` ("jsonl", "tsv", "text" or "auto") stands for. Throws kUsage.
CaptionFormat parse_caption_format(std::string_view name);

}  // namespace paraclip
