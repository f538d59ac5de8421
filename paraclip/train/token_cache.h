#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/clip/text_model.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace paraclip {

/// The folder of token caches where none is named: paraclip/tokens in the user's cache folder.
std::filesystem::path default_token_cache();

/// The records of a triples file with their texts as token ids. Immutable, and views of memory that
/// the system can take back: those of millions of triples stay in a file, the token cache.
///
/// A token cache is a file `TRIPLES-TOKENIZER.tokens`, called after hashes of the bytes of the
/// triples file and of what makes tokens of them (tokenizer, context length, pooled token, version
/// of the program). Its numbers are in the machine's byte order. A header of 64 bytes:
///
///     u64 magic         "PARATOK" and the version of the format, 1
///     u64 triples       hash of the triples file
///     u64 tokenizer     hash of what makes the tokens
///     u64 records       of the triples file
///     u64 tokens        of all texts
///     u64 id_bytes      of all image ids
///     u64 content       hash64 of each section in turn, seeded with the last; that of the header
///                       with a 0 here first
///     u64 reserved      0
///
/// and these sections, each at the next multiple of 64 bytes, the end of the file likewise:
///
///     u64 id_bounds[records + 1]        image id r is image_ids[id_bounds[r], id_bounds[r + 1])
///     u64 text_bounds[3 * records + 1]  text i = 3 * r + part is tokens[text_bounds[i], ...)
///     u64 identities[3 * records]       hash of each text's tokens
///     i32 tokens[tokens]                start token to pooled token; none in incomplete records
///     u8  truncated[records]            texts cut at the context length, 0 to 3
///     u8  image_ids[id_bytes]           UTF-8
class TokenizedTriples {
 public:
  /// Texts of a record: caption, first and second paraphrase.
  static constexpr size_t kParts = 3;

  /// Reads `triples` (JSONL: image_id, caption, paraphrase_1, paraphrase_2; other fields are
  /// ignored), or what an earlier call left in the folder `cache`; leaves it there otherwise. An
  /// empty `cache` is none. A cache that is damaged is made anew, and one that cannot be written
  /// done without: both are logged as warnings. `progress` is called while texts are tokenized.
  ///
  /// Throws kIo; kData for a malformed record; kInterrupted.
  static TokenizedTriples load(const std::filesystem::path& triples, const TextModel& model,
                               const std::filesystem::path& cache = {},
                               const ProgressCallback& progress = {});

  int64_t size() const { return static_cast<int64_t>(truncated_.size()); }

  std::string_view image_id(int64_t record) const;

  /// Whether there is no empty text, which the official script writes after a failed call.
  bool complete(int64_t record) const { return !tokens(record, 0).empty(); }

  /// How many of the record's texts were cut at the context length.
  int64_t truncated(int64_t record) const { return truncated_[static_cast<size_t>(record)]; }

  /// The token ids of one text, start token to pooled token.
  std::span<const int32_t> tokens(int64_t record, size_t part) const;

  /// A number that is equal for texts of equal tokens.
  int64_t identity(int64_t record, size_t part) const {
    return static_cast<int64_t>(identities_[text_index(record, part)]);
  }

 private:
  struct Header;
  struct Memory;
  struct Key;

  static TokenizedTriples view(std::shared_ptr<const Memory> memory);
  static TokenizedTriples read(const std::filesystem::path& path, const Key& key);
  void write(const std::filesystem::path& path, const Key& key) const;
  void check(const Key& key) const;
  Header header(const Key& key) const;

  /// Calls `visit(bytes)` for each section in the file's order.
  template <class Visit>
  void for_each_section(const Visit& visit) const;

  static size_t text_index(int64_t record, size_t part) {
    return static_cast<size_t>(record) * kParts + part;
  }

  std::shared_ptr<const void> owner_;  // Of what the spans view: a mapped file, or memory.
  std::span<const uint64_t> id_bounds_, text_bounds_, identities_;
  std::span<const int32_t> tokens_;
  std::span<const uint8_t> truncated_;
  std::span<const char> image_ids_;
};

}  // namespace paraclip
