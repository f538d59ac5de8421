#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
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

/// Whose byte-level vocabulary it is.
enum class BpeKind {
  kClip,     ///< Words end in "</w>" (Sennrich et al. 2016, as in OpenAI's simple_tokenizer.py).
  kRoberta,  ///< GPT-2's: words begin with their blank, and nothing marks their end.
};

/// What marks a symbol as the last of its word: "</w>", or nothing.
constexpr std::string_view word_end(BpeKind kind) { return kind == BpeKind::kClip ? "</w>" : ""; }

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

  /// A hash of the merges and their ranks.
  uint64_t hash() const;

  static uint64_t pair(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }

 private:
  size_t slot(uint64_t pair) const;

  std::vector<Merge> slots_;  // A power of two, at most half full.
};

/// Tokens and merges of a byte-level BPE. Immutable.
class BpeVocabulary {
 public:
  /// A vocabulary of `tokens`, whose place is their id, and `merges` in order; `where` names its
  /// source. Throws kData, naming it and the token or merge, if a special token (or, in RoBERTa's
  /// kind, that of a byte) is missing, a token appears twice, a merge's parts or result are no
  /// tokens, a merge appears twice, or no merge makes a token that is neither a symbol, nor written
  /// in brackets like <this>, nor one of those that fill up RoBERTa's ("madeupword0000").
  BpeVocabulary(BpeKind kind, std::vector<std::string> tokens, const std::vector<BpeMerge>& merges,
                const std::string& where);

  /// Appends the ids of one word, given as its bytes (not empty). Bytes without a token get the end
  /// token, which is CLIP's "unknown".
  void append_word(std::string_view word, std::vector<int64_t>& ids) const;

  BpeKind kind() const { return kind_; }
  int32_t start_token() const { return start_token_; }
  int32_t end_token() const { return end_token_; }

  /// RoBERTa's <s>, </s>, <pad>, <unk> and <mask> as written in text, with their ids; none for
  /// CLIP, whose start and end token are spelled in several ways.
  const std::vector<std::pair<std::string_view, int32_t>>& specials() const { return specials_; }

  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }

  /// A hash of all that ids depend on.
  uint64_t hash() const;

  /// The bytes that `id` stands for, with a blank for "</w>".
  const std::string& bytes(int32_t id) const { return tokens_[static_cast<size_t>(id)]; }

 private:
  BpeKind kind_;
  std::vector<std::string> tokens_;
  std::array<int32_t, 256> inner_;  // The id of a byte inside a word.
  std::array<int32_t, 256> last_;   // The id of a byte that ends a word.
  MergeTable merges_;
  int32_t start_token_;
  int32_t end_token_;
  std::vector<std::pair<std::string_view, int32_t>> specials_;
};

}  // namespace paraclip
