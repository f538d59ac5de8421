#include "paraclip/clip/tokenizer.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/clip/bpe_files.h"
#include "paraclip/clip/character_class.h"
#include "paraclip/clip/config.h"
#include "paraclip/clip/embedded.h"
#include "paraclip/clip/roberta_words.h"
#include "paraclip/clip/text_cleaning.h"
#include "paraclip/clip/unicode.h"

#include <array>

namespace paraclip {
namespace {

// Start and end token as they can be written in a text. open_clip 3 spells them its own way, OpenAI
// and transformers the other; the open_clip family takes both.
constexpr std::array<std::string_view, 2> kHfSpecials = {"<|startoftext|>", "<|endoftext|>"};
constexpr std::array<std::string_view, 2> kOpenClipSpecials = {"<start_of_text>", "<end_of_text>"};
constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t",  "'re", "'ve",
                                                           "'m", "'ll", "'d"};

// Walks the words of cleaned text, which is UTF-8:
//   START|END|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
class WordScanner {
 public:
  WordScanner(std::string_view text, TokenizerFamily family) : text_(text), family_(family) {}

  // The next word, empty at the end of the text.
  std::string_view next() {
    size_t end = position_;
    CharacterClass first = CharacterClass::kSpace;
    while (position_ < text_.size() && (first = classify(end)) == CharacterClass::kSpace)
      position_ = end;
    if (position_ == text_.size()) return {};
    if (position_ >= special_end_) special_end_ = position_ + split_special_length();
    const size_t limit = special_end_ > position_ ? special_end_ : text_.size();
    if (const size_t length = literal_length(); length > 0) {
      end = position_ + length;
    } else if (first != CharacterClass::kNumber) {
      for (size_t after = end; end < limit && classify(after) == first;) end = after;
    }
    const std::string_view word = text_.substr(position_, end - position_);
    position_ = end;
    return word;
  }

 private:
  // The class of the character at `place`, which moves behind it.
  CharacterClass classify(size_t& place) const {
    // Python's regex, ignoring case, finds this combining mark in no class and drops it.
    constexpr std::string_view kYpogegrammeni = "\u0345";
    if (family_ == TokenizerFamily::kOpenClip && text_.substr(place).starts_with(kYpogegrammeni)) {
      place += kYpogegrammeni.size();
      return CharacterClass::kSpace;
    }
    return next_class(text_, place);
  }

  // The length of a special token at the current place that words must not reach out of, or 0.
  // transformers finds the ones that lower-casing brought forth, but its byte-level step takes them
  // apart again: "<|", "endoftext", "|>".
  size_t split_special_length() const {
    return family_ == TokenizerFamily::kHf && text_[position_] == '<' ? match_any(kHfSpecials) : 0;
  }

  // The length of the special token or contraction at the current place, or 0.
  size_t literal_length() const {
    const char first = text_[position_];
    if (first == '\'') return match_any(kContractions);
    if (first != '<' || family_ != TokenizerFamily::kOpenClip) return 0;
    const size_t length = match_any(kHfSpecials);
    return length > 0 ? length : match_any(kOpenClipSpecials);
  }

  size_t match_any(std::span<const std::string_view> literals) const {
    for (const std::string_view literal : literals) {
      if (const size_t length = match(literal); length > 0) return length;
    }
    return 0;
  }

  // The length of `literal` at the current place, or 0. The text is in lower case already, so
  // that all that Python's disregard of case adds is the long s.
  size_t match(std::string_view literal) const {
    constexpr std::string_view kLongS = "\u017F";
    size_t place = position_;
    for (const char c : literal) {
      const std::string_view rest = text_.substr(place);
      if (rest.starts_with(c)) {
        ++place;
      } else if (c == 's' && family_ == TokenizerFamily::kOpenClip && rest.starts_with(kLongS)) {
        place += kLongS.size();
      } else {
        return 0;
      }
    }
    return place - position_;
  }

  std::string_view text_;
  TokenizerFamily family_;
  size_t position_ = 0;
  size_t special_end_ = 0;
};

void append_words(std::string_view cleaned, TokenizerFamily family, const BpeVocabulary& vocabulary,
                  std::vector<int64_t>& ids) {
  WordScanner words(cleaned, family);
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    if (word == kHfSpecials[0] || word == kOpenClipSpecials[0]) {
      ids.push_back(vocabulary.start_token());
    } else if (word == kHfSpecials[1] || word == kOpenClipSpecials[1]) {
      ids.push_back(vocabulary.end_token());
    } else {
      vocabulary.append_word(word, ids);
    }
  }
}

// The special token at the start of `text`, as transformers looks for it, or an empty string.
std::string_view leading_special(std::string_view text) {
  for (const std::string_view special : kHfSpecials) {
    if (text.starts_with(special)) return special;
  }
  return {};
}

// transformers looks for special tokens before it normalizes, and normalizes what is between them
// piece by piece.
void append_hf(std::string_view text, const BpeVocabulary& vocabulary, std::vector<int64_t>& ids) {
  size_t piece = 0;
  for (size_t at = text.find("<|"); at != text.npos; at = text.find("<|", at)) {
    const std::string_view special = leading_special(text.substr(at));
    if (special.empty()) {
      ++at;
      continue;
    }
    append_words(clean_hf(text.substr(piece, at - piece)), TokenizerFamily::kHf, vocabulary, ids);
    ids.push_back(special == kHfSpecials[0] ? vocabulary.start_token() : vocabulary.end_token());
    piece = at += special.size();
  }
  append_words(clean_hf(text.substr(piece)), TokenizerFamily::kHf, vocabulary, ids);
}

BpeVocabulary parse_built_in() {
  constexpr const char* kWhere = "the built-in vocabulary";
  return vocabulary_from_merges(parse_merges(embedded_bpe_merges(), kWhere), kWhere);
}

std::shared_ptr<const BpeVocabulary> built_in_vocabulary() {
  static const auto vocabulary = std::make_shared<const BpeVocabulary>(parse_built_in());
  return vocabulary;
}

// The vocabulary in the files of `folder`, or nullptr if there are none.
std::shared_ptr<const BpeVocabulary> read_folder(const std::filesystem::path& folder,
                                                 BpeKind kind) {
  const std::filesystem::path vocab = folder / "vocab.json";
  const std::filesystem::path merges = folder / "merges.txt";
  const std::filesystem::path json = folder / "tokenizer.json";
  const bool has_vocab = std::filesystem::exists(vocab);
  const bool has_merges = std::filesystem::exists(merges);
  if (has_vocab && has_merges)
    return std::make_shared<const BpeVocabulary>(read_vocabulary(kind, vocab, merges));
  if (std::filesystem::exists(json))
    return std::make_shared<const BpeVocabulary>(read_tokenizer_json(kind, json));
  if (has_vocab || has_merges) {
    fail(ErrorKind::kData, "{}: {} is there, but {} is missing; a tokenizer needs both",
         folder.string(), (has_vocab ? vocab : merges).filename().string(),
         (has_vocab ? merges : vocab).filename().string());
  }
  return nullptr;
}

// CLIP's vocabulary: that of the folder, or the built-in one.
std::shared_ptr<const BpeVocabulary> load_clip(const std::filesystem::path& folder) {
  std::shared_ptr<const BpeVocabulary> vocabulary = read_folder(folder, BpeKind::kClip);
  const bool own = vocabulary != nullptr;
  if (!own) vocabulary = built_in_vocabulary();
  const std::filesystem::path config = folder / "config.json";
  if (!std::filesystem::exists(config)) return vocabulary;
  // A model may have more rows than tokens, for padding, but CLIP's own vocabulary only stands in
  // for files that are not there if it is surely the right one.
  const int64_t rows =
      ClipConfig::parse_hf(read_json(config), config.string()).text.vocabulary_size;
  if (own ? rows < vocabulary->size() : rows != vocabulary->size()) {
    fail(ErrorKind::kData, "{}: vocab_size is {}, but {} {} tokens; {}", config.string(), rows,
         own ? "its tokenizer files have" : "the built-in vocabulary has", vocabulary->size(),
         own ? "are they of this model?" : "add the model's vocab.json and merges.txt");
  }
  return vocabulary;
}

std::shared_ptr<const BpeVocabulary> load_roberta(const std::filesystem::path& folder) {
  std::shared_ptr<const BpeVocabulary> vocabulary = read_folder(folder, BpeKind::kRoberta);
  if (vocabulary == nullptr) {
    fail(ErrorKind::kData,
         "{}: RoBERTa's tokenizer needs vocab.json and merges.txt, or tokenizer.json, and neither "
         "is there; add the files of that name of the roberta-base repository",
         folder.string());
  }
  return vocabulary;
}

}  // namespace

TokenizerFamily parse_tokenizer_family(std::string_view name) {
  if (name == "open_clip") return TokenizerFamily::kOpenClip;
  if (name == "hf") return TokenizerFamily::kHf;
  if (name == "roberta") return TokenizerFamily::kRoberta;
  fail(ErrorKind::kUsage, "unknown tokenizer family '{}', expected open_clip, hf or roberta", name);
}

Tokenizer Tokenizer::built_in(TokenizerFamily family) {
  if (family == TokenizerFamily::kRoberta) {
    fail(ErrorKind::kUsage,
         "there is no built-in vocabulary of RoBERTa, give a model's folder with its tokenizer");
  }
  return {built_in_vocabulary(), family, {}};
}

Tokenizer Tokenizer::load(const std::filesystem::path& model_folder, TokenizerFamily family) {
  if (!std::filesystem::is_directory(model_folder)) {
    fail(ErrorKind::kIo, "could not read the tokenizer: {} is not a folder", model_folder.string());
  }
  if (family == TokenizerFamily::kRoberta)
    return {load_roberta(model_folder), family, read_roberta_options(model_folder)};
  return {load_clip(model_folder), family, {}};
}

std::vector<int64_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int64_t> ids;
  switch (family_) {
    case TokenizerFamily::kOpenClip:
      append_words(clean_open_clip(text), family_, *vocabulary_, ids);
      break;
    case TokenizerFamily::kHf: append_hf(text, *vocabulary_, ids); break;
    case TokenizerFamily::kRoberta:
      append_roberta(clean_roberta(text), options_, *vocabulary_, ids);
      break;
  }
  return ids;
}

Tokenizer::Encoded Tokenizer::encode(std::string_view text, int64_t context_length) const {
  if (context_length < 0 || context_length == 1) {
    fail(ErrorKind::kUsage, "context length is {}, expected at least 2, or 0 for no limit",
         context_length);
  }
  Encoded encoded;
  encoded.suspected_mojibake =
      family_ != TokenizerFamily::kHf && paraclip::suspected_mojibake(text);
  encoded.ids = encode(text);
  encoded.ids.insert(encoded.ids.begin(), start_token());
  encoded.ids.push_back(end_token());
  const size_t limit = static_cast<size_t>(context_length);
  encoded.truncated = limit > 0 && encoded.ids.size() > limit;
  if (encoded.truncated) {
    encoded.ids.resize(limit);
    encoded.ids.back() = end_token();
  }
  return encoded;
}

std::string Tokenizer::decode(std::span<const int64_t> ids) const {
  std::string text;
  for (const int64_t id : ids) {
    if (id < 0 || id >= vocabulary_size()) {
      fail(ErrorKind::kUsage, "token id {} is outside the vocabulary of {}", id, vocabulary_size());
    }
    if (id != start_token() && id != end_token())
      text += vocabulary_->bytes(static_cast<int32_t>(id));
  }
  // What CLIP marks is the end of a word; in RoBERTa a blank is one.
  if (vocabulary_->kind() == BpeKind::kClip && text.ends_with(' ')) text.pop_back();
  return encode_utf8(decode_utf8(text));
}

int64_t Tokenizer::start_token() const { return vocabulary_->start_token(); }
int64_t Tokenizer::end_token() const { return vocabulary_->end_token(); }
int64_t Tokenizer::vocabulary_size() const { return vocabulary_->size(); }

uint64_t Tokenizer::fingerprint() const {
  return hash64(fmt::format("{} {} {}", static_cast<int>(family_), options_.add_prefix_space,
                            options_.mask_takes_blanks),
                vocabulary_->hash());
}

}  // namespace paraclip
