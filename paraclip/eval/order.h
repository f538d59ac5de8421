#pragma once

#include <string>
#include <string_view>

namespace paraclip {

/// A caption as ARO's order benchmarks give it to the model (BLIP's `pre_caption` with 30 words):
/// in lower case, each of .!"()*#:;~ a blank, two or more white space characters in a row one
/// blank, no blanks at the ends, the first 30 parts between blanks.
std::string order_caption(std::string_view text);

}  // namespace paraclip
