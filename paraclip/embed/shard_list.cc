#include "paraclip/embed/shard_list.h"

#include "paraclip/base/error.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

namespace paraclip {
namespace {

constexpr size_t kMaxNames = 10'000'000;

// Calls `use` with each part of `text` between separators.
template <typename Use>
void split(std::string_view text, std::string_view separator, Use use) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    use(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
}

std::optional<uint64_t> number(std::string_view digits) {
  uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

// What stands between one pair of braces: the words that it is replaced by.
std::vector<std::string> alternatives(std::string_view inside, std::string_view pattern) {
  std::vector<std::string> words;
  const size_t dots = inside.find("..");
  const auto first = number(inside.substr(0, dots));
  const auto last = dots == std::string_view::npos ? first : number(inside.substr(dots + 2));
  if (dots != std::string_view::npos && first && last) {
    const uint64_t count = *last >= *first ? *last - *first : *first - *last;
    if (count >= kMaxNames) {
      fail(ErrorKind::kUsage, "\"{}\" stands for more than {} files", pattern, kMaxNames);
    }
    const bool padded = inside.starts_with('0') || inside.substr(dots + 2).starts_with('0');
    const size_t width = padded ? std::max(dots, inside.size() - dots - 2) : 0;
    for (uint64_t i = 0; i <= count; ++i) {
      words.push_back(fmt::format("{:0{}}", *last >= *first ? *first + i : *first - i, width));
    }
    return words;
  }
  split(inside, ",", [&words](std::string_view word) { words.emplace_back(word); });
  return words;
}

std::vector<std::string> expand(std::string_view pattern) {
  const size_t open = pattern.find('{');
  const size_t close = pattern.find('}');
  if (open == std::string_view::npos && close == std::string_view::npos) {
    return {std::string(pattern)};
  }
  if (close == std::string_view::npos || open > close ||
      pattern.substr(open + 1, close - open).find('{') != std::string_view::npos) {
    fail(ErrorKind::kUsage,
         "cannot read \"{}\": expected pairs of braces, not nested, such as {{00000..00012}}",
         pattern);
  }
  const std::vector<std::string> rests = expand(pattern.substr(close + 1));
  std::vector<std::string> names;
  for (const std::string& word :
       alternatives(pattern.substr(open + 1, close - open - 1), pattern)) {
    if (names.size() + rests.size() > kMaxNames) {
      fail(ErrorKind::kUsage, "\"{}\" stands for more than {} files", pattern, kMaxNames);
    }
    for (const std::string& rest : rests) {
      names.push_back(std::string(pattern.substr(0, open)) + word + rest);
    }
  }
  return names;
}

}  // namespace

std::vector<std::string> expand_shards(std::string_view pattern) {
  std::vector<std::string> names;
  split(pattern, "::", [&names](std::string_view part) {
    for (std::string& name : expand(part)) names.push_back(std::move(name));
  });
  return names;
}

std::vector<std::string> split_keys(std::string_view text) {
  std::vector<std::string> keys;
  split(text, ";", [&keys](std::string_view key) {
    if (!key.empty()) keys.emplace_back(key);
  });
  return keys;
}

}  // namespace paraclip
