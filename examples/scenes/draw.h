#pragma once

#include "examples/scenes/scene.h"
#include "paraclip/image/image.h"

namespace paraclip::scenes {

/// Draws the scene, antialiased, as an RGB image of `side` x `side` pixels. Throws kUsage for a
/// side outside 16..2048.
Image draw_scene(const Scene& scene, int side);

}  // namespace paraclip::scenes
