#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// The parts of `text` between white space (Unicode's, as Python's str.split() has it). Bytes that
/// are not UTF-8 count as parts of words.
std::vector<std::string_view> split_words(std::string_view text);

/// `text` without white space at either end.
std::string_view trim(std::string_view text);

/// `word` case-folded, without anything but letters, digits and the marks on them. Empty for
/// punctuation.
std::string fold_word(std::string_view word);

/// The folded words of `text`, empty ones left out: two texts with the same ones differ in case,
/// spacing and punctuation only. Hyphens, dashes, slashes and underscores part words.
std::vector<std::string> folded_words(std::string_view text);

/// What inflections of an English word share, roughly: "riding", "rides" and "ride" all give
/// "rid". `word` is folded.
std::string word_stem(std::string_view word);

/// The stems of the words of `text` that carry meaning: articles, pronouns, prepositions,
/// auxiliaries and the like are left out.
std::set<std::string> content_stems(std::string_view text);

/// The number that a folded word stands for, in digits: "3" for "three" and "3"; with `loosely`
/// also "2" for "pair". Nothing for other words, for "one" (mostly a pronoun) and for more than
/// four digits (mostly a product code).
std::optional<std::string> number_value(std::string_view word, bool loosely);

}  // namespace paraclip
