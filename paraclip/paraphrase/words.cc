#include "paraclip/paraphrase/words.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

namespace paraclip {
namespace {

// Calls visit(character, begin, end) for each character; a byte that is not UTF-8 is character -1.
template <typename Visit>
void for_each_character(std::string_view text, Visit visit) {
  const auto size = static_cast<int32_t>(text.size());
  for (int32_t end = 0; end < size;) {
    const int32_t begin = end;
    UChar32 character = -1;
    U8_NEXT(text.data(), end, size, character);
    visit(character, static_cast<size_t>(begin), static_cast<size_t>(end));
  }
}

// Python's str.isspace(): Unicode's white space and the four separators of ASCII.
bool is_space(UChar32 character) {
  return (character >= 0x1c && character <= 0x1f) || (character >= 0 && u_isUWhiteSpace(character));
}

bool is_word_character(UChar32 character) {
  if (character < 0) return false;
  const uint32_t mask = U_GET_GC_MASK(character);
  return (mask & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK)) != 0;
}

bool parts_words(UChar32 character) {
  return is_space(character) || character == '/' || character == '_' ||
         (character >= 0 && (U_GET_GC_MASK(character) & U_GC_PD_MASK) != 0);
}

template <typename IsSeparator>
std::vector<std::string_view> split(std::string_view text, IsSeparator is_separator) {
  std::vector<std::string_view> parts;
  size_t start = 0;
  const auto add = [&](size_t end) {
    if (end > start) parts.push_back(text.substr(start, end - start));
  };
  for_each_character(text, [&](UChar32 character, size_t begin, size_t end) {
    if (!is_separator(character)) return;
    add(begin);
    start = end;
  });
  add(text.size());
  return parts;
}

bool ends_with(std::string_view word, std::string_view suffix) {
  return word.size() >= suffix.size() + 3 && word.ends_with(suffix);
}

const std::unordered_set<std::string_view>& function_words() {
  static const std::unordered_set<std::string_view> words = {
      "a",       "about", "above",  "across", "after",   "against", "all",     "along",   "also",
      "among",   "an",    "and",    "any",    "are",     "around",  "as",      "at",      "be",
      "because", "been",  "before", "behind", "being",   "below",   "beneath", "beside",  "between",
      "both",    "but",   "by",     "can",    "could",   "did",     "do",      "does",    "down",
      "during",  "each",  "for",    "from",   "had",     "has",     "have",    "he",      "her",
      "here",    "hers",  "him",    "his",    "i",       "if",      "in",      "inside",  "into",
      "is",      "it",    "its",    "may",    "me",      "might",   "my",      "near",    "no",
      "not",     "of",    "off",    "on",     "one",     "onto",    "or",      "our",     "out",
      "over",    "s",     "she",    "should", "so",      "some",    "such",    "than",    "that",
      "the",     "their", "them",   "then",   "there",   "these",   "they",    "this",    "those",
      "through", "to",    "too",    "toward", "towards", "under",   "until",   "up",      "upon",
      "us",      "very",  "was",    "we",     "were",    "what",    "when",    "where",   "which",
      "while",   "who",   "whom",   "whose",  "will",    "with",    "within",  "without", "would",
      "you",     "your"};
  return words;
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view text) { return split(text, is_space); }

std::string_view trim(std::string_view text) {
  const std::vector<std::string_view> words = split_words(text);
  if (words.empty()) return {};
  const char* end = words.back().data() + words.back().size();
  return {words.front().data(), static_cast<size_t>(end - words.front().data())};
}

std::string fold_word(std::string_view word) {
  std::string folded;
  for_each_character(word, [&](UChar32 character, size_t, size_t) {
    if (!is_word_character(character)) return;
    const UChar32 lower = u_foldCase(character, U_FOLD_CASE_DEFAULT);
    std::array<char, U8_MAX_LENGTH> bytes{};
    int32_t size = 0;
    U8_APPEND_UNSAFE(bytes.data(), size, lower);
    folded.append(bytes.data(), static_cast<size_t>(size));
  });
  return folded;
}

std::vector<std::string> folded_words(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string_view part : split(text, parts_words)) {
    std::string folded = fold_word(part);
    if (!folded.empty()) words.push_back(std::move(folded));
  }
  return words;
}

std::string word_stem(std::string_view word) {
  std::string stem(word);
  const auto drop = [&](size_t count) { stem.resize(stem.size() - count); };
  if (ends_with(stem, "ies")) {
    drop(3);
    stem += 'y';
  } else if (ends_with(stem, "sses") || ends_with(stem, "ches") || ends_with(stem, "shes") ||
             ends_with(stem, "xes")) {
    drop(2);
  } else if (ends_with(stem, "s") && !stem.ends_with("ss") && !stem.ends_with("us")) {
    drop(1);
  }
  for (const std::string_view suffix : {"ing", "ed", "ly"}) {
    if (!ends_with(stem, suffix)) continue;
    drop(suffix.size());
    const size_t size = stem.size();
    const bool doubled = stem[size - 1] == stem[size - 2];
    if (doubled && suffix != "ly" && stem.back() != 's' && stem.back() != 'l') drop(1);
    break;
  }
  if (ends_with(stem, "e") || (stem.size() == 4 && stem.back() == 'e')) drop(1);
  if (stem.size() > 2 && stem.back() == 'y') stem.back() = 'i';
  return stem;
}

std::set<std::string> content_stems(std::string_view text) {
  std::set<std::string> stems;
  for (const std::string& word : folded_words(text)) {
    if (!function_words().contains(word)) stems.insert(word_stem(word));
  }
  return stems;
}

std::optional<std::string> number_value(std::string_view word, bool loosely) {
  using Table = std::unordered_map<std::string_view, std::string_view>;
  static const Table names = {{"two", "2"},  {"three", "3"},   {"four", "4"},   {"five", "5"},
                              {"six", "6"},  {"seven", "7"},   {"eight", "8"},  {"nine", "9"},
                              {"ten", "10"}, {"eleven", "11"}, {"twelve", "12"}};
  static const Table loose_names = {{"both", "2"}, {"couple", "2"},  {"duo", "2"},
                                    {"pair", "2"}, {"twin", "2"},    {"twins", "2"},
                                    {"trio", "3"}, {"quartet", "4"}, {"dozen", "12"}};
  if (const auto found = names.find(word); found != names.end()) return std::string(found->second);
  if (const auto found = loose_names.find(word); loosely && found != loose_names.end())
    return std::string(found->second);
  if (word.empty() || word.size() > 4) return std::nullopt;
  const bool digits =
      std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::optional<std::string>(word) : std::nullopt;
}

}  // namespace paraclip
