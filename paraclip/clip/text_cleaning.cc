#include "paraclip/clip/text_cleaning.h"

#include "paraclip/clip/html_entities.h"
#include "paraclip/clip/unicode.h"

#include <unicode/uchar.h>

#include <algorithm>

namespace paraclip {
namespace {

constexpr char32_t kEscape = 0x1B;

// Bytes that no step of either family changes except by lower-casing.
bool is_plain(char character) {
  const auto c = static_cast<unsigned char>(character);
  return (c >= 0x20 && c < 0x7F && c != '&') || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char to_lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), to_lower_ascii);
  return lower;
}

// Latin ligatures and digraphs of one code point, and the letters they are made of (ftfy).
std::u32string_view split_ligature(char32_t c) {
  switch (c) {
    case U'Ĳ': return U"IJ";
    case U'ĳ': return U"ij";
    case U'ŉ': return U"ʼn";
    case U'Ǳ': return U"DZ";
    case U'ǲ': return U"Dz";
    case U'ǳ': return U"dz";
    case U'Ǆ': return U"DŽ";
    case U'ǅ': return U"Dž";
    case U'ǆ': return U"dž";
    case U'Ǉ': return U"LJ";
    case U'ǈ': return U"Lj";
    case U'ǉ': return U"lj";
    case U'Ǌ': return U"NJ";
    case U'ǋ': return U"Nj";
    case U'ǌ': return U"nj";
    case U'ﬀ': return U"ff";
    case U'ﬁ': return U"fi";
    case U'ﬂ': return U"fl";
    case U'ﬃ': return U"ffi";
    case U'ﬄ': return U"ffl";
    case U'ﬅ': return U"ſt";
    case U'ﬆ': return U"st";
    default: return {};
  }
}

bool is_half_or_full_width(char32_t c) { return c >= 0xFF01 && c <= 0xFFEF; }

char32_t straighten_quote(char32_t c) {
  if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) return '\'';
  return c >= 0x201C && c <= 0x201F ? U'"' : c;
}

bool is_removed_control(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
         (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

// The length of the terminal escape sequence at the start of `text` (ESC [ 1;31 m), or 0.
size_t escape_sequence_length(std::u32string_view text) {
  if (text.size() < 3 || text[0] != kEscape || text[1] != '[') return 0;
  size_t end = 2;
  while (end < text.size() && (text[end] == ';' || u_isdigit(static_cast<UChar32>(text[end]))))
    ++end;
  if (end == text.size()) return 0;
  const char32_t letter = text[end] | 0x20;
  return letter >= 'a' && letter <= 'z' ? end + 1 : 0;
}

// ftfy's replacements of single characters, in its order: C1 controls read as Windows-1252,
// ligatures, half and full width, curly quotes.
std::u32string replace_characters(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (char32_t c : text) {
    c = from_windows_1252(c);
    const std::u32string_view letters = split_ligature(c);
    if (!letters.empty()) {
      for (const char32_t letter : letters) out += straighten_quote(letter);
    } else if (is_half_or_full_width(c)) {
      out += to_nfkc({&c, 1});
    } else {
      out += straighten_quote(c);
    }
  }
  return out;
}

std::u32string remove_controls(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t escape = escape_sequence_length(text);
    if (escape == 0 && !is_removed_control(text.front())) out += text.front();
    text.remove_prefix(std::max<size_t>(escape, 1));
  }
  return out;
}

// One line, fixed until nothing changes any more. ftfy's unification of line breaks and of the
// ideographic space is left to the regular expression, to which all white space is the same.
std::u32string fix_line(std::u32string text, bool unescape) {
  while (true) {
    std::u32string fixed = unescape ? unescape_html_strictly(text) : text;
    fixed = to_nfc(remove_controls(replace_characters(fixed)));
    if (fixed == text) return fixed;
    text = std::move(fixed);
  }
}

// ftfy.fix_text with its default options, less fix_encoding. It works by lines; from the first line
// with a '<' on, the text counts as HTML whose references are meant.
std::u32string fix_text(std::u32string_view text) {
  std::u32string out;
  bool unescape = true;
  while (!text.empty()) {
    const size_t end = text.find(U'\n');
    const std::u32string_view line = text.substr(0, end == text.npos ? text.size() : end + 1);
    text.remove_prefix(line.size());
    unescape = unescape && line.find(U'<') == line.npos;
    out += fix_line(std::u32string(line), unescape);
  }
  return out;
}

// Whether the capital sigma at `position` ends a word (Unicode, Final_Sigma): a cased letter before
// it, none after it, not counting what case ignores.
bool is_final_sigma(std::u32string_view text, size_t position) {
  const auto ignored = [](char32_t c) {
    return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASE_IGNORABLE);
  };
  const auto cased = [](char32_t c) {
    return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED);
  };
  size_t before = position;
  while (before > 0 && ignored(text[before - 1])) --before;
  size_t after = position + 1;
  while (after < text.size() && ignored(text[after])) ++after;
  return before > 0 && cased(text[before - 1]) && !(after < text.size() && cased(text[after]));
}

std::u32string to_lower(std::u32string_view text, bool final_sigma) {
  constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2, kCapitalDottedI = 0x130;
  std::u32string lower;
  lower.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == kCapitalDottedI) {
      lower += U"i\u0307";  // The one character whose lower case is two.
    } else if (c == kCapitalSigma && final_sigma && is_final_sigma(text, i)) {
      lower += kFinalSigma;
    } else {
      lower += static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
    }
  }
  return lower;
}

// The byte that Windows-1252 writes for `c`; 0 for what it lacks and for ASCII.
unsigned windows_1252_byte(char32_t c) {
  if (c < 0x80) return 0;
  if (c <= 0xFF) return c;
  for (unsigned byte = 0x80; byte < 0xA0; ++byte) {
    if (from_windows_1252(byte) == c) return byte;
  }
  return 0;
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return is_plain(c); });
}

// ftfy, then html.unescape twice.
std::u32string fix_and_unescape(std::string_view text) {
  return unescape_html(unescape_html(fix_text(decode_utf8(text))));
}

// Python's " ".join(text.split()), once ftfy has removed the controls that Python splits at.
std::u32string single_blanks(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (!u_isUWhiteSpace(static_cast<UChar32>(c))) {
      out += c;
    } else if (!out.empty() && out.back() != U' ') {
      out += U' ';
    }
  }
  if (out.ends_with(U' ')) out.pop_back();
  return out;
}

}  // namespace

std::string clean_open_clip(std::string_view text) {
  if (is_plain(text)) return lower_ascii(text);
  return encode_utf8(to_lower(fix_and_unescape(text), /*final_sigma=*/true));
}

std::string clean_roberta(std::string_view text) {
  return encode_utf8(single_blanks(is_plain(text) ? decode_utf8(text) : fix_and_unescape(text)));
}

std::string clean_hf(std::string_view text) {
  if (is_ascii(text)) return lower_ascii(text);
  return encode_utf8(to_lower(to_nfc(decode_utf8(text)), /*final_sigma=*/false));
}

bool suspected_mojibake(std::string_view text) {
  if (is_ascii(text)) return false;
  unsigned missing = 0;  // Continuation bytes still to come.
  for (const char32_t c : decode_utf8(text)) {
    const unsigned byte = windows_1252_byte(c);
    if (missing > 0 && byte >= 0x80 && byte < 0xC0) {
      if (--missing == 0) return true;
      continue;
    }
    missing = byte >= 0xF0 && byte < 0xF5   ? 3
              : byte >= 0xE0 && byte < 0xF0 ? 2
              : byte >= 0xC2 && byte < 0xE0 ? 1
                                            : 0;
  }
  return false;
}

}  // namespace paraclip
