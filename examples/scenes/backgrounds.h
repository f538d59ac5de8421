#pragma once

#include "examples/scenes/brush.h"

namespace paraclip::scenes {

/// Fills the unit square [0, 1] x [0, 1] with the texture of `background`. `key` varies the
/// details.
void draw_background(cairo_t* context, Background background, uint64_t key);

/// The colour of outlines that stand out from `background`.
Rgb outline_on(Background background);

/// The opacity of the shadow that an object casts on `background`.
double shadow_on(Background background);

}  // namespace paraclip::scenes
