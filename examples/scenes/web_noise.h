#pragma once

#include "examples/scenes/random.h"

#include <string>

namespace paraclip::scenes {

/// What the web does to a description: file names, product codes, shop names, hashtags, shouting,
/// punctuation. The description itself stays in it, in other letters perhaps.
std::string add_web_noise(const std::string& description, Random& random);

}  // namespace paraclip::scenes
