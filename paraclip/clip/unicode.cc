#include "paraclip/clip/unicode.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <array>
#include <cassert>

namespace paraclip {
namespace {

icu::UnicodeString to_utf16(std::u32string_view text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                       static_cast<int32_t>(text.size()));
}

std::u32string from_utf16(const icu::UnicodeString& text) {
  std::u32string out;
  out.reserve(static_cast<size_t>(text.length()));
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1))
    out += static_cast<char32_t>(text.char32At(i));
  return out;
}

std::u32string normalize(const icu::Normalizer2* form, std::u32string_view text,
                         UErrorCode& status) {
  const icu::UnicodeString normalized = form->normalize(to_utf16(text), status);
  assert(U_SUCCESS(status));  // Fails only where ICU's own data is missing.
  return from_utf16(normalized);
}

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(text.data(), i, text.size(), c);
    out += static_cast<char32_t>(c);
  }
  return out;
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size() * 2);
  for (const char32_t c : text) {
    std::array<char, U8_MAX_LENGTH> bytes;
    size_t length = 0;
    U8_APPEND_UNSAFE(bytes.data(), length, static_cast<UChar32>(c));
    out.append(bytes.data(), length);
  }
  return out;
}

std::u32string to_nfc(std::u32string text) {
  // No character before U+0300 changes or combines with another.
  bool plain = true;
  for (const char32_t c : text) plain = plain && c < 0x300;
  if (plain) return text;
  UErrorCode status = U_ZERO_ERROR;
  return normalize(icu::Normalizer2::getNFCInstance(status), text, status);
}

std::u32string to_nfkc(std::u32string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  return normalize(icu::Normalizer2::getNFKCInstance(status), text, status);
}

std::u32string to_upper(std::u32string_view text) {
  return from_utf16(to_utf16(text).toUpper(icu::Locale::getRoot()));
}

char32_t from_windows_1252(char32_t c) {
  static constexpr std::array<char32_t, 32> kCharacters = {
      0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
      0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
      0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
  return c >= 0x80 && c < 0xA0 ? kCharacters[c - 0x80] : c;
}

}  // namespace paraclip
