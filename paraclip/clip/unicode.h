#pragma once

#include <string>
#include <string_view>

namespace paraclip {

/// What stands for bytes that are not UTF-8 and for code points that are not characters.
inline constexpr char32_t kReplacementCharacter = 0xFFFD;

/// The code points of `text`. Each longest sequence of bytes that starts a character but does not
/// finish it becomes one U+FFFD, as in Python's errors="replace".
std::u32string decode_utf8(std::string_view text);

/// `text` as UTF-8. No code point may be a surrogate.
std::string encode_utf8(std::u32string_view text);

/// The normalization forms C and KC of Unicode Standard Annex 15.
std::u32string to_nfc(std::u32string text);
std::u32string to_nfkc(std::u32string_view text);

/// Full upper-casing without regard to language ("ß" becomes "SS"), as Python's str.upper.
std::u32string to_upper(std::u32string_view text);

/// The character that the byte 0x80 to 0x9F means in Windows-1252; the five that it leaves open,
/// and every other code point, stay as they are.
char32_t from_windows_1252(char32_t c);

}  // namespace paraclip
