// libFuzzer: any text has ids, and any merges.txt is either a vocabulary or an Error.

#include "paraclip/base/error.h"
#include "paraclip/clip/bpe_files.h"
#include "paraclip/clip/roberta_words.h"
#include "paraclip/clip/text_cleaning.h"
#include "paraclip/clip/tokenizer.h"
#include "paraclip/clip/unicode.h"

#include <cstdlib>

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void encode(std::string_view text, paraclip::TokenizerFamily family) {
  const auto tokenizer = paraclip::Tokenizer::built_in(family);
  const auto cut = tokenizer.encode(text, /*context_length=*/16);
  check(cut.ids.size() <= 16 && cut.ids.back() == tokenizer.end_token());
  const auto ids = tokenizer.encode(text);
  check(cut.truncated == (ids.size() + 2 > 16));
  tokenizer.decode(ids);  // Throws where an id is outside the vocabulary.
}

// RoBERTa's tokens over a vocabulary of bytes alone, which spell the cleaned text.
void encode_roberta(std::string_view text) {
  static const paraclip::BpeVocabulary vocabulary = [] {
    std::vector<std::string> tokens = {"<s>", "<pad>", "</s>", "<unk>", "<mask>"};
    for (const paraclip::ByteSymbol& entry : paraclip::byte_symbols())
      tokens.push_back(paraclip::encode_utf8({&entry.symbol, 1}));
    return paraclip::BpeVocabulary(paraclip::BpeKind::kRoberta, std::move(tokens), {}, "bytes");
  }();
  const std::string cleaned = paraclip::clean_roberta(text);
  std::vector<int64_t> ids;
  paraclip::append_roberta(cleaned, {}, vocabulary, ids);
  std::string spelled;
  for (const int64_t id : ids) spelled += vocabulary.bytes(static_cast<int32_t>(id));
  check(spelled == cleaned);
}

void read_merges(std::string_view text) {
  try {
    const auto merges = paraclip::parse_merges(text, "merges.txt");
    const auto vocabulary = paraclip::vocabulary_from_merges(merges, "merges.txt");
    std::vector<int64_t> ids;
    vocabulary.append_word("a word of bytes", ids);
    for (const int64_t id : ids) check(id >= 0 && id < vocabulary.size());
  } catch (const paraclip::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  encode(text, paraclip::TokenizerFamily::kOpenClip);
  encode(text, paraclip::TokenizerFamily::kHf);
  encode_roberta(text);
  read_merges(text);
  return 0;
}
