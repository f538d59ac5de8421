#pragma once

#include <string>
#include <string_view>

namespace paraclip {

/// `text` as open_clip hands it to its regular expression, but for the amount and place of white
/// space, which no token holds: ftfy.fix_text without the repair of mojibake, html.unescape twice,
/// Python's str.lower. UTF-8 in and out; what is not UTF-8 becomes U+FFFD.
std::string clean_open_clip(std::string_view text);

/// `text` as open_clip hands it to the tokenizers of other towers (clean="whitespace"): as
/// clean_open_clip(), but neither in lower case nor with other white space than one blank between
/// words. UTF-8 in and out; what is not UTF-8 becomes U+FFFD.
std::string clean_roberta(std::string_view text);

/// `text` as transformers' CLIPTokenizer normalizes it, but for white space: NFC, then each
/// character in lower case by itself. UTF-8 in and out; what is not UTF-8 becomes U+FFFD.
std::string clean_hf(std::string_view text);

/// Whether `text` looks like UTF-8 that was read as Windows-1252 ("cafÃ©"): it has two to four
/// characters in a row whose Windows-1252 bytes are one character of UTF-8. ftfy would repair most
/// such texts; clean_open_clip() does not.
bool suspected_mojibake(std::string_view text);

}  // namespace paraclip
