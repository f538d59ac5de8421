#include "examples/scenes/web_noise.h"

#include <fmt/format.h>

#include <cctype>
#include <string_view>

namespace paraclip::scenes {
namespace {

constexpr std::string_view kBefore[] = {
    "photo of",   "image of", "stock photo:", "cute",     "Pic:",         "NEW!",
    "clipart of", "vintage",  "free",         "drawing:", "hand drawn",   "lovely",
    "HD",         "best",     "SALE!",        "print:",   "my favourite", "illustration of"};
constexpr std::string_view kAfter[] = {
    "stock photo",   "- stock image", "| shop",          "clipart",       "illustration",
    "vector",        "wallpaper",     "free download",   "royalty free",  "isolated",
    "poster",        "| art print",   "for sale",        "- Pictures",    "(new)",
    "sticker",       "| kids room",   "design",          "...",           "!!",
    "buy online",    "HD wallpaper",  "- photo gallery", "icon set",      "canvas print",
    "greeting card", "by guest",      "| Toy World",     "coloring page", "gift idea"};
constexpr std::string_view kExtensions[] = {".jpg", ".png", ".jpeg", ".gif"};

template <size_t size>
std::string pick(const std::string_view (&words)[size], Random& random) {
  return std::string(words[random.zipf(size)]);
}

template <size_t size>
std::string pick_evenly(const std::string_view (&words)[size], Random& random) {
  return std::string(words[random.below(size)]);
}

char capital(Random& random) { return static_cast<char>('A' + random.below(26)); }

std::string file_name(Random& random) {
  const size_t number = random.below(10000);
  const std::string extension = pick(kExtensions, random);
  switch (random.zipf(3)) {
    case 0: return fmt::format("IMG_{:04}{}", number, extension);
    case 1: return fmt::format("DSC{:05}{}", number, extension);
    default: return fmt::format("image-{}{}", number, extension);
  }
}

std::string product_code(Random& random) {
  const size_t number = random.below(9000) + 1000;
  switch (random.below(4)) {
    case 0: return fmt::format("SKU {}{}-{}", capital(random), capital(random), number);
    case 1: return fmt::format("#{}", number);
    case 2: return fmt::format("(item {})", number);
    default: return fmt::format("- {}{}{}", capital(random), number, capital(random));
  }
}

// The description as the stem of a file's name: "red-ball-left-of-blue-box.jpg".
std::string as_file_name(const std::string& description, Random& random) {
  const char joint = random.chance(0.6) ? '-' : '_';
  std::string stem;
  for (const char letter : description) {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0) {
      stem += letter;
    } else if (!stem.empty() && stem.back() != joint) {
      stem += joint;
    }
  }
  return stem + pick(kExtensions, random);
}

// "#ball": a hashtag of one of the description's words.
std::string hashtag(const std::string& description, Random& random) {
  size_t begin = description.find(' ', random.below(description.size()));
  begin = begin == std::string::npos ? description.rfind(' ') + 1 : begin + 1;
  std::string tag = "#";
  while (begin < description.size() && std::isalpha(static_cast<unsigned char>(description[begin])))
    tag += description[begin++];
  return tag.size() > 3 ? tag : "#art";
}

std::string to_upper(std::string text) {
  for (char& letter : text)
    letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  return text;
}

std::string to_title(std::string text) {
  bool start = true;
  for (char& letter : text) {
    if (start) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    start = letter == ' ' || letter == '|';
  }
  return text;
}

std::string change_case(std::string text, Random& random) {
  const double draw = random.uniform();
  if (draw < 0.09) return to_upper(text);
  if (draw < 0.24) return to_title(text);
  if (draw < 0.40) text.front() = static_cast<char>(std::toupper(text.front()));
  return text;
}

}  // namespace

std::string add_web_noise(const std::string& description, Random& random) {
  if (random.chance(0.04)) {
    return fmt::format("{} {}", as_file_name(description, random),
                       random.chance(0.5) ? "stock photo" : "free download");
  }
  std::string text = change_case(description, random);
  const double before = random.uniform();
  if (before < 0.10) {
    text = fmt::format("{} {}", file_name(random), text);
  } else if (before < 0.30) {
    text = fmt::format("{} {}", pick(kBefore, random), text);
  }
  const double after = random.uniform();
  if (after < 0.28) {
    text +=
        fmt::format(" {}", random.chance(0.6) ? pick(kAfter, random) : pick_evenly(kAfter, random));
  } else if (after < 0.40) {
    text += fmt::format(" {}", product_code(random));
  } else if (after < 0.48) {
    for (int i = 0; i < 2; ++i) text += fmt::format(" {}", hashtag(description, random));
  } else if (after < 0.54) {
    text += fmt::format(" - {}", file_name(random));
  } else if (after < 0.66) {
    text += random.chance(0.7) ? "." : "!";
  }
  return text;
}

}  // namespace paraclip::scenes
