#pragma once

#include "examples/scenes/scene.h"

#include <span>
#include <string_view>

/// The words of the captions. Of each list the first is the common one; those after it are rarer,
/// the further down the more so.
namespace paraclip::scenes {

using Words = std::span<const std::string_view>;

Words words_for(Kind kind);
Words words_for(Colour colour);
Words words_for(Size size);
Words words_for(Pattern pattern);
/// "left of", "to the left of".
Words words_for(Relation relation);
/// Where it is, with the preposition: "on grass", "in a meadow".
Words places_for(Background background);
/// The same as a tag: "grass", "meadow".
Words tags_for(Background background);

}  // namespace paraclip::scenes
