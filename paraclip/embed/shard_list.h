#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// The file names that `pattern` stands for, in WebDataset's notation: `{00000..00012}` counts
/// (with the leading zeros of its ends), `{a,b}` chooses, `::` joins patterns. Throws kUsage for
/// braces that do not close and for more than ten million names.
std::vector<std::string> expand_shards(std::string_view pattern);

/// The parts of `text` between semicolons; empty ones are left out.
std::vector<std::string> split_keys(std::string_view text);

}  // namespace paraclip
