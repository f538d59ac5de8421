#pragma once

#include <cstddef>
#include <string_view>

namespace paraclip {

/// What the tokenizers' regular expressions tell apart: \s, \p{L}, \p{N} and the rest.
enum class CharacterClass : unsigned char { kSpace, kLetter, kNumber, kOther };

/// The class of the character at `place` of `text`, which is UTF-8; `place` moves behind it.
CharacterClass next_class(std::string_view text, size_t& place);

}  // namespace paraclip
