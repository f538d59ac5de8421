#include "paraclip/clip/html_entities.h"

#include "paraclip/clip/embedded.h"
#include "paraclip/clip/unicode.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace paraclip {
namespace {

struct Entity {
  std::string_view name;
  std::u32string text;
};

// Sorted by name, as the embedded file is.
std::vector<Entity> parse_entities() {
  std::vector<Entity> entities;
  std::string_view data = embedded_html_entities();
  while (!data.empty()) {
    std::string_view line = data.substr(0, data.find('\n'));
    data.remove_prefix(line.size() + 1);
    Entity entity{.name = line.substr(0, line.find(' ')), .text = {}};
    line.remove_prefix(entity.name.size());
    while (!line.empty()) {
      uint32_t code = 0;
      const auto parsed =
          std::from_chars(line.data() + 1, line.data() + line.size(), code, /*base=*/16);
      entity.text += static_cast<char32_t>(code);
      line.remove_prefix(static_cast<size_t>(parsed.ptr - line.data()));
    }
    entities.push_back(std::move(entity));
  }
  return entities;
}

const Entity* find_entity(std::string_view name) {
  static const std::vector<Entity> entities = parse_entities();
  const auto found = std::lower_bound(
      entities.begin(), entities.end(), name,
      [](const Entity& entity, std::string_view key) { return entity.name < key; });
  return found != entities.end() && found->name == name ? &*found : nullptr;
}

// The longest entity that starts `name`, at least two letters long.
const Entity* find_longest_entity(std::string_view name) {
  for (size_t length = name.size(); length > 1; --length) {
    if (const Entity* entity = find_entity(name.substr(0, length))) return entity;
  }
  return nullptr;
}

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_letter(char32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool is_hex_digit(char32_t c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

// Code points that a numeric reference must not give; they vanish.
bool is_forbidden(uint32_t code) {
  if (code == 0x9 || code == 0xA || code == 0xC) return false;
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || U_IS_UNICODE_NONCHAR(code);
}

void append_numbered(uint32_t code, std::u32string& out) {
  if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
    out += kReplacementCharacter;
  } else if (code == 0xD || (code >= 0x80 && code <= 0x9F)) {
    out += from_windows_1252(code);
  } else if (!is_forbidden(code)) {
    out += static_cast<char32_t>(code);
  }
}

// Decodes the numeric reference at the start of `text` ("&#" included) onto `out`. Returns its
// length without the semicolon, 0 if there is none.
size_t decode_numbered(std::u32string_view text, std::u32string& out) {
  const bool hex = text.size() > 2 && (text[2] | 0x20) == 'x';
  size_t end = hex ? 3 : 2;
  const size_t start = end;
  uint32_t code = 0;
  for (; end < text.size() && (hex ? is_hex_digit(text[end]) : is_digit(text[end])); ++end) {
    const uint32_t digit = is_digit(text[end]) ? text[end] - '0' : (text[end] | 0x20) - 'a' + 10;
    code = std::min<uint32_t>(code * (hex ? 16 : 10) + digit, 0x110000);
  }
  if (end == start) return 0;
  append_numbered(code, out);
  return end;
}

// What the reference `name` (letters, digits, a semicolon) stands for to ftfy. Names in capitals
// count where the lower-case name exists and HTML itself reads nothing into them.
std::optional<std::u32string> decode_strict_name(const std::string& name) {
  if (const Entity* entity = find_entity(name)) return entity->text;
  std::string lower = name;
  for (char& c : lower) {
    if (c >= 'a' && c <= 'z') return std::nullopt;
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  const Entity* entity = find_entity(lower);
  if (entity == nullptr || find_longest_entity(name) != nullptr) return std::nullopt;
  return to_upper(entity->text);
}

// Decodes the reference at the start of `text` onto `out` by ftfy's rules. Returns its length, 0 if
// there is none to decode.
size_t decode_strict(std::u32string_view text, std::u32string& out) {
  constexpr size_t kLongestName = 24;
  const size_t start = text.size() > 1 && text[1] == '#' ? 2 : 1;
  size_t end = start;
  while (end < text.size() && (is_digit(text[end]) || is_letter(text[end]))) ++end;
  if (end == start || end - start > kLongestName || end == text.size() || text[end] != ';')
    return 0;
  if (start == 2) {
    std::u32string decoded;
    // A reference to the semicolon itself stays: ftfy takes the ';' for a sign of half a match.
    if (decode_numbered(text.substr(0, end + 1), decoded) != end || decoded == U";") return 0;
    out += decoded;
    return end + 1;
  }
  const std::string name(text.begin() + 1, text.begin() + static_cast<ptrdiff_t>(end) + 1);
  const std::optional<std::u32string> decoded = decode_strict_name(name);
  if (!decoded) return 0;
  out += *decoded;
  return end + 1;
}

// As decode_strict, by Python's rules.
size_t decode_lenient(std::u32string_view text, std::u32string& out) {
  constexpr size_t kLongestName = 32;
  if (text.size() > 1 && text[1] == '#') {
    const size_t end = decode_numbered(text, out);
    return end > 0 && end < text.size() && text[end] == ';' ? end + 1 : end;
  }
  // Only ASCII names exist, so the first other character ends what can be one.
  std::string name;
  for (size_t i = 1; i < text.size() && i <= kLongestName; ++i) {
    if (!is_digit(text[i]) && !is_letter(text[i])) break;
    name += static_cast<char>(text[i]);
  }
  if (name.size() + 1 < text.size() && text[name.size() + 1] == ';') name += ';';
  const Entity* entity = find_longest_entity(name);
  if (entity == nullptr) return 0;
  out += entity->text;
  return entity->name.size() + 1;
}

template <typename Decode>
std::u32string replace_references(std::u32string_view text, Decode decode) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = text.front() == '&' ? decode(text, out) : 0;
    if (length == 0) out += text.front();
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

}  // namespace

std::u32string unescape_html(std::u32string_view text) {
  return replace_references(text, decode_lenient);
}

std::u32string unescape_html_strictly(std::u32string_view text) {
  return replace_references(text, decode_strict);
}

}  // namespace paraclip
