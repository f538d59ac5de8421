#include "paraclip/clip/roberta_words.h"

#include "paraclip/clip/character_class.h"

#include <algorithm>
#include <array>
#include <string>

namespace paraclip {
namespace {

constexpr std::array<std::string_view, 7> kContractions = {"'s", "'t",  "'re", "'ve",
                                                           "'m", "'ll", "'d"};

// The end of the characters of class `expected` from `place` on.
size_t end_of_run(std::string_view text, size_t place, CharacterClass expected) {
  for (size_t next = place; place < text.size() && next_class(text, next) == expected;)
    place = next;
  return place;
}

// The start of the last character of `text`, which is not empty.
size_t last_character(std::string_view text) {
  size_t place = text.size() - 1;
  while ((static_cast<unsigned char>(text[place]) & 0xC0) == 0x80) --place;
  return place;
}

void append_words(std::string_view text, const RobertaOptions& options,
                  const BpeVocabulary& vocabulary, std::vector<int64_t>& ids) {
  if (text.empty()) return;
  std::string prefixed;
  if (options.add_prefix_space && !text.starts_with(' ')) {
    prefixed.assign(1, ' ').append(text);
    text = prefixed;
  }
  while (!text.empty()) {
    const size_t length = gpt2_word_length(text);
    vocabulary.append_word(text.substr(0, length), ids);
    text.remove_prefix(length);
  }
}

}  // namespace

size_t gpt2_word_length(std::string_view text) {
  for (const std::string_view contraction : kContractions) {
    if (text.starts_with(contraction)) return contraction.size();
  }
  const size_t start = text.starts_with(' ') && text.size() > 1 ? 1 : 0;
  size_t place = start;
  if (const CharacterClass first = next_class(text, place); first != CharacterClass::kSpace)
    return end_of_run(text, place, first);
  // White space, of which the last character is left to a word that follows: a blank becomes part
  // of that word, anything else a word by itself.
  const size_t end = end_of_run(text, 0, CharacterClass::kSpace);
  if (end == text.size()) return end;
  const size_t last = last_character(text.substr(0, end));
  return last > 0 ? last : end;
}

void append_roberta(std::string_view text, const RobertaOptions& options,
                    const BpeVocabulary& vocabulary, std::vector<int64_t>& ids) {
  size_t piece = 0;
  for (size_t at = text.find('<'); at != text.npos; at = text.find('<', at)) {
    const auto& specials = vocabulary.specials();
    const auto special = std::find_if(specials.begin(), specials.end(), [&](const auto& entry) {
      return text.substr(at).starts_with(entry.first);
    });
    if (special == specials.end()) {
      ++at;
      continue;
    }
    std::string_view before = text.substr(piece, at - piece);
    if (options.mask_takes_blanks && special->first == "<mask>")
      before = before.substr(0, before.find_last_not_of(' ') + 1);
    append_words(before, options, vocabulary, ids);
    ids.push_back(special->second);
    piece = at += special->first.size();
  }
  append_words(text.substr(piece), options, vocabulary, ids);
}

}  // namespace paraclip
