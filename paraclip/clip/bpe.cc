#include "paraclip/clip/bpe.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/clip/unicode.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <map>
#include <queue>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>

namespace paraclip {
namespace {

constexpr uint64_t kNoPair = ~uint64_t{0};

using TokenIds = std::unordered_map<std::string_view, int32_t>;

TokenIds index_tokens(const std::vector<std::string>& tokens, const std::string& where) {
  TokenIds ids;
  ids.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    const auto [entry, added] = ids.emplace(tokens[id], static_cast<int32_t>(id));
    if (!added) {
      fail(ErrorKind::kData, "{}: the token '{}' appears twice, as {} and {}", where, tokens[id],
           entry->second, id);
    }
  }
  return ids;
}

using Names = std::vector<std::string_view>;

// The id of a token that goes by any of `names`.
int32_t find_special(const TokenIds& ids, const Names& names, const std::string& where) {
  for (const std::string_view name : names) {
    if (const auto found = ids.find(name); found != ids.end()) return found->second;
  }
  fail(ErrorKind::kData,
       "{}: {} is not among its {} tokens; are the files those of another kind of model?", where,
       fmt::join(names, " or "), ids.size());
}

std::vector<MergeTable::Merge> resolve(const std::vector<BpeMerge>& merges, const TokenIds& ids,
                                       const std::string& where) {
  const auto id_of = [&](const std::string& token, const BpeMerge& merge) {
    const auto found = ids.find(token);
    if (found == ids.end()) {
      fail(ErrorKind::kData,
           "{}: '{} {}' needs the token '{}', which {} lacks; are both files of one model?",
           merge.where, merge.left, merge.right, token, where);
    }
    return found->second;
  };
  std::vector<MergeTable::Merge> resolved;
  resolved.reserve(merges.size());
  std::unordered_set<uint64_t> pairs;
  for (const BpeMerge& merge : merges) {
    const uint64_t pair = MergeTable::pair(id_of(merge.left, merge), id_of(merge.right, merge));
    if (!pairs.insert(pair).second) {
      fail(ErrorKind::kData, "{}: the merge '{} {}' appears a second time", merge.where, merge.left,
           merge.right);
    }
    resolved.push_back({.pair = pair,
                        .rank = static_cast<int32_t>(resolved.size()),
                        .id = id_of(merge.left + merge.right, merge)});
  }
  return resolved;
}

bool is_in_brackets(std::string_view token) {
  return (token.starts_with('<') && token.ends_with('>')) ||
         (token.starts_with('[') && token.ends_with(']'));
}

// What fairseq fills up a vocabulary with, for a round size: no text has these tokens.
bool is_filling(std::string_view token, BpeKind kind) {
  return kind == BpeKind::kRoberta && token.starts_with("madeupword");
}

// A file cut short would give plausible, wrong ids: every token must come from somewhere.
void check_reachable(BpeKind kind, const std::vector<std::string>& tokens,
                     const std::vector<MergeTable::Merge>& merges, const std::string& where) {
  std::vector<bool> made(tokens.size(), false);
  for (const MergeTable::Merge& merge : merges) made[static_cast<size_t>(merge.id)] = true;
  for (size_t id = 0; id < tokens.size(); ++id) {
    std::string_view token = tokens[id];
    if (made[id] || is_in_brackets(token) || is_filling(token, kind)) continue;
    if (token.ends_with(word_end(kind))) token.remove_suffix(word_end(kind).size());
    if (decode_utf8(token).size() > 1) {
      fail(ErrorKind::kData,
           "{}: no merge makes the token '{}' (id {}); are vocabulary and merges whole and of one "
           "model?",
           where, tokens[id], id);
    }
  }
}

// From a file's spelling to bytes: symbols to bytes, the end of a word to a blank.
std::string spelled_bytes(std::string_view token, BpeKind kind,
                          const std::map<char32_t, unsigned char>& bytes) {
  const bool ends_word = kind == BpeKind::kClip && token.ends_with(word_end(kind));
  if (ends_word) token.remove_suffix(word_end(kind).size());
  std::string out;
  for (const char32_t symbol : decode_utf8(token)) {
    const auto byte = bytes.find(symbol);
    if (byte != bytes.end()) {
      out += static_cast<char>(byte->second);
    } else {
      out += encode_utf8({&symbol, 1});
    }
  }
  if (ends_word) out += ' ';
  return out;
}

}  // namespace

std::array<ByteSymbol, 256> byte_symbols() {
  const auto printable = [](unsigned byte) {
    return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
  };
  std::array<ByteSymbol, 256> symbols;
  size_t count = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (printable(byte)) symbols[count++] = {static_cast<unsigned char>(byte), byte};
  }
  char32_t substitute = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!printable(byte)) symbols[count++] = {static_cast<unsigned char>(byte), substitute++};
  }
  return symbols;
}

MergeTable::MergeTable(const std::vector<Merge>& merges)
    : slots_(std::bit_ceil(2 * merges.size() + 1), Merge{.pair = kNoPair, .rank = 0, .id = 0}) {
  for (const Merge& merge : merges) slots_[slot(merge.pair)] = merge;
}

size_t MergeTable::slot(uint64_t pair) const {
  const size_t mask = slots_.size() - 1;
  size_t index = mix64(pair) & mask;
  while (slots_[index].pair != pair && slots_[index].pair != kNoPair) index = (index + 1) & mask;
  return index;
}

const MergeTable::Merge* MergeTable::find(int32_t left, int32_t right) const {
  const Merge& merge = slots_[slot(pair(left, right))];
  return merge.pair == kNoPair ? nullptr : &merge;
}

uint64_t MergeTable::hash() const {
  static_assert(std::has_unique_object_representations_v<Merge>);
  return hash64({reinterpret_cast<const char*>(slots_.data()), slots_.size() * sizeof(Merge)});
}

BpeVocabulary::BpeVocabulary(BpeKind kind, std::vector<std::string> tokens,
                             const std::vector<BpeMerge>& merges, const std::string& where)
    : kind_(kind), merges_({}) {
  const bool clip = kind == BpeKind::kClip;
  const TokenIds ids = index_tokens(tokens, where);
  // As transformers and OpenAI spell CLIP's, and as open_clip does.
  start_token_ =
      find_special(ids, clip ? Names{"<|startoftext|>", "<start_of_text>"} : Names{"<s>"}, where);
  end_token_ =
      find_special(ids, clip ? Names{"<|endoftext|>", "<end_of_text>"} : Names{"</s>"}, where);
  if (!clip) {
    for (const std::string_view name : {"<s>", "</s>", "<pad>", "<unk>", "<mask>"}) {
      specials_.emplace_back(name, find_special(ids, {name}, where));
    }
  }
  const std::vector<MergeTable::Merge> resolved = resolve(merges, ids, where);
  check_reachable(kind, tokens, resolved, where);
  merges_ = MergeTable(resolved);

  std::map<char32_t, unsigned char> bytes;
  const auto id_of = [&](const std::string& symbol) {
    const auto found = ids.find(symbol);
    if (found != ids.end()) return found->second;
    if (clip) return end_token_;
    fail(ErrorKind::kData, "{}: the symbol '{}' of a byte is not among its {} tokens", where,
         symbol, ids.size());
  };
  for (const ByteSymbol& entry : byte_symbols()) {
    const std::string symbol = encode_utf8({&entry.symbol, 1});
    inner_[entry.byte] = id_of(symbol);
    last_[entry.byte] = id_of(symbol + std::string(word_end(kind)));
    bytes.emplace(entry.symbol, entry.byte);
  }
  tokens_.reserve(tokens.size());
  for (const std::string& token : tokens) tokens_.push_back(spelled_bytes(token, kind, bytes));
}

uint64_t BpeVocabulary::hash() const {
  uint64_t hash = hash64(kind_ == BpeKind::kClip ? "clip" : "roberta", merges_.hash());
  for (const auto* ids : {&inner_, &last_}) {
    hash = hash64({reinterpret_cast<const char*>(ids->data()), sizeof *ids}, hash);
  }
  for (const std::string& token : tokens_) hash = hash64(token, hash);
  return hash64(fmt::format("{} {}", start_token_, end_token_), hash);
}

namespace {

// Merges the symbols of one word in order of rank, and from left to right where ranks are equal.
// Symbols are a linked list in place and pairs that can be merged are a heap, so that a word of n
// bytes takes O(n log n) however long a hostile text makes it.
class WordMerger {
 public:
  WordMerger(const MergeTable& merges, std::vector<int32_t> ids)
      : merges_(merges), ids_(std::move(ids)), next_(ids_.size()), previous_(ids_.size()) {
    for (size_t i = 0; i < ids_.size(); ++i) {
      next_[i] = i + 1;
      previous_[i] = i == 0 ? kNone : i - 1;
    }
    for (size_t i = 0; i + 1 < ids_.size(); ++i) offer(i);
  }

  void run(std::vector<int64_t>& ids) {
    while (!candidates_.empty()) {
      const Candidate best = candidates_.top();
      candidates_.pop();
      if (is_current(best)) apply(best);
    }
    for (size_t i = 0; i < ids_.size(); i = next_[i]) ids.push_back(ids_[i]);
  }

 private:
  static constexpr size_t kNone = ~size_t{0};

  struct Candidate {
    const MergeTable::Merge* merge;
    size_t left;

    // std::priority_queue takes the greatest first.
    bool operator<(const Candidate& other) const {
      return merge->rank != other.merge->rank ? merge->rank > other.merge->rank : left > other.left;
    }
  };

  void offer(size_t left) {
    const MergeTable::Merge* merge = merges_.find(ids_[left], ids_[next_[left]]);
    if (merge != nullptr) candidates_.push({merge, left});
  }

  // Whether both symbols are still what they were when the pair was offered.
  bool is_current(const Candidate& candidate) const {
    const size_t right = next_[candidate.left];
    return ids_[candidate.left] != kGone && right < ids_.size() &&
           MergeTable::pair(ids_[candidate.left], ids_[right]) == candidate.merge->pair;
  }

  void apply(const Candidate& candidate) {
    const size_t left = candidate.left;
    const size_t right = next_[left];
    ids_[left] = candidate.merge->id;
    ids_[right] = kGone;
    next_[left] = next_[right];
    if (next_[left] < ids_.size()) {
      previous_[next_[left]] = left;
      offer(left);
    }
    if (previous_[left] != kNone) offer(previous_[left]);
  }

  static constexpr int32_t kGone = -1;

  const MergeTable& merges_;
  std::vector<int32_t> ids_;
  std::vector<size_t> next_;
  std::vector<size_t> previous_;
  std::priority_queue<Candidate> candidates_;
};

}  // namespace

void BpeVocabulary::append_word(std::string_view word, std::vector<int64_t>& ids) const {
  std::vector<int32_t> symbols;
  symbols.reserve(word.size());
  for (const char byte : word) symbols.push_back(inner_[static_cast<unsigned char>(byte)]);
  symbols.back() = last_[static_cast<unsigned char>(word.back())];
  WordMerger(merges_, std::move(symbols)).run(ids);
}

}  // namespace paraclip
