#include "paraclip/clip/character_class.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <array>

namespace paraclip {
namespace {

CharacterClass class_of(UChar32 c) {
  const uint32_t category = U_GET_GC_MASK(c);
  if ((category & U_GC_L_MASK) != 0) return CharacterClass::kLetter;
  if ((category & U_GC_N_MASK) != 0) return CharacterClass::kNumber;
  return u_isUWhiteSpace(c) ? CharacterClass::kSpace : CharacterClass::kOther;
}

std::array<CharacterClass, 128> ascii_classes() {
  std::array<CharacterClass, 128> classes;
  for (UChar32 c = 0; c < 128; ++c) classes[static_cast<size_t>(c)] = class_of(c);
  return classes;
}

}  // namespace

CharacterClass next_class(std::string_view text, size_t& place) {
  static const std::array<CharacterClass, 128> ascii = ascii_classes();
  const unsigned char byte = static_cast<unsigned char>(text[place]);
  if (byte < 128) {
    ++place;
    return ascii[byte];
  }
  UChar32 c = 0;
  U8_NEXT_UNSAFE(text.data(), place, c);
  return class_of(c);
}

}  // namespace paraclip
