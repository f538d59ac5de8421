#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace paraclip {

/// `caption` with " not" behind its first "is", "are", "was" or "were" (a whole word, in upper or
/// lower case). Nothing where there is no such word, or where "not" follows it.
std::optional<std::string> negate_caption(std::string_view caption);

}  // namespace paraclip
