#pragma once

#include <string>
#include <string_view>

namespace paraclip {

/// The text with its character references decoded as Python's html.unescape does: names with and,
/// where HTML allows it, without a semicolon, the longest name first; numbers with the corrections
/// of the HTML standard.
std::u32string unescape_html(std::u32string_view text);

/// The text with its unambiguous character references decoded as ftfy does: only those that end in
/// a semicolon, and also names written in capitals, which become capitals (`&EACUTE;`).
std::u32string unescape_html_strictly(std::u32string_view text);

}  // namespace paraclip
