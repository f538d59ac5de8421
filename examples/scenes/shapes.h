#pragma once

#include "examples/scenes/brush.h"

namespace paraclip::scenes {

/// Draws an object of `kind` into the square of side 1 around the origin.
void draw_kind(Kind kind, Brush& brush);

}  // namespace paraclip::scenes
