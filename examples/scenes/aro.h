#pragma once

#include "examples/scenes/scene.h"
#include "paraclip/base/json.h"

namespace paraclip::scenes {

/// Appends the scene's cases in the form of ARO's visual_genome_relation.json: "the ball is to the
/// left of the box" against the same with the two kinds swapped. Objects whose kind appears twice
/// have none. The box is the smallest square, in pixels of a picture `side` wide, that holds both
/// objects, since CLIP keeps only the middle of an oblong crop. `image_path` is "ID.jpg".
void add_relation_cases(const Scene& scene, int side, Json& cases);

/// As above in the form of visual_genome_attribution.json: "the red ball and the blue box" against
/// the same with the two colours swapped, where neither swapped object is in the picture.
void add_attribution_cases(const Scene& scene, int side, Json& cases);

}  // namespace paraclip::scenes
