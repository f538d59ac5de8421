#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace paraclip::test {

/// What is wrong first with the nesting of the tags in `markup`, written as XML is: every tag
/// closed, every "<" of the text escaped. Empty if nothing is.
inline std::string first_mistake(std::string_view markup) {
  std::vector<std::string_view> open;
  for (size_t at = 0; (at = markup.find('<', at)) != std::string_view::npos;) {
    const size_t end = markup.find('>', at);
    const std::string_view tag = markup.substr(at, end == markup.npos ? 60 : end + 1 - at);
    if (end == markup.npos || tag.find('<', 1) != tag.npos)
      return "a bare < at " + std::string(tag);
    at = end + 1;
    if (tag.starts_with("<!DOCTYPE") || tag.ends_with("/>")) continue;
    const bool closes = tag.starts_with("</");
    const size_t start = closes ? 2 : 1;
    const std::string_view name = tag.substr(start, tag.find_first_of(" >", start) - start);
    if (!closes) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "closed out of turn: " + std::string(tag);
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "never closed: " + std::string(open.back());
}

}  // namespace paraclip::test
