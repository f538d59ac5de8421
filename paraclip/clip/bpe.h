#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// A merge of byte-pair encoding, as a file spells it.
struct BpeMerge {
  std::string left;
  std::string right;
  std::string where;  ///< "merges.txt, line 12": for messages.
};

/// A byte and the character that stands for it in vocabulary files.
struct ByteSymbol {
  unsigned char byte;
  char32_t symbol;
};

/// The 256 symbols in CLIP's order of ids: printable Latin-1 characters stand for themselves and
/// come first, the other bytes are U+0100 and on.
std::array<ByteSymbol, 256> byte_symbols();

/// What marks a symbol as the last of its word.
inline constexpr std::string_view kWordEnd = "</w>";

/// Hash table from a pair of token ids to the merge of the two: open addressing, read only.
class MergeTable {
 public:
  struct Merge {
    uint64_t pair;  ///< Left id, then right id, 32 bits each.
    int32_t rank;   ///< Lower merges come first.
    int32_t id;     ///< The token that the two become.
  };

  explicit MergeTable(const std::vector<Merge>& merges);

  /// The merge of `left` and `right`, or nullptr.
  const Merge* find(int32_t left, int32_t right) const;

  static uint64_t pair(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }

 private:
  size_t slot(uint64_t pair) const;

  std::vector<Merge> slots_;  // A power of two, at most half full.
};

/// Tokens and merges of a byte-level BPE with "</w>" on the last symbol of a word (Sennrich et al.
/// 2016, as in OpenAI's simple_tokenizer.py). Immutable.
class BpeVocabulary {
 public:
  /// A vocabulary of `tokens`, whose place is their id, and `merges` in order; `where` names its
  /// source. Throws kData, naming it and the token or merge, if the start or end token is missing,
  /// a token appears twice, a merge's parts or result are no tokens, a merge appears twice, or no
  /// merge makes a token that is neither a symbol nor written in brackets like <this>.
  BpeVocabulary(std::vector<std::string> tokens, const std::vector<BpeMerge>& merges,
                const std::string& where);

  /// Appends the ids of one word, given as its bytes (not empty). Bytes without a token get the end
  /// token, which is CLIP's "unknown".
  void append_word(std::string_view word, std::vector<int64_t>& ids) const;

  int32_t start_token() const { return start_token_; }
  int32_t end_token() const { return end_token_; }
  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }

  /// The bytes that `id` stands for, with a blank after the last symbol of a word.
  const std::string& bytes(int32_t id) const { return tokens_[static_cast<size_t>(id)]; }

 private:
  std::vector<std::string> tokens_;
  std::array<int32_t, 256> inner_;  // The id of a byte inside a word.
  std::array<int32_t, 256> last_;   // The id of a byte that ends a word.
  MergeTable merges_;
  int32_t start_token_;
  int32_t end_token_;
};

}  // namespace paraclip
