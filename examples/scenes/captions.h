#pragma once

#include "examples/scenes/scene.h"

#include <cstdint>
#include <string>

namespace paraclip::scenes {

enum class CaptionStyle {
  kWeb,    ///< As found beside images on the web: tags, file names, shop titles, shouting, always
           ///< with the common word for a thing, and no sentences.
  kPlain,  ///< A sentence or noun phrase from a few rigid templates.
};

/// What captions hold, counted by white space: the bounds of ParaCLIP's caption filter.
inline constexpr size_t kMinCaptionWords = 3;
inline constexpr size_t kMaxCaptionWords = 15;

/// Caption number `variant` of the scene in `style`. What it says is true of the scene; what it
/// leaves out differs from one variant to the next. A pure function of its arguments.
std::string write_caption(const Scene& scene, CaptionStyle style, uint64_t variant);

}  // namespace paraclip::scenes
