#pragma once

#include "tests/support.h"

#include <filesystem>

namespace paraclip::test {

/// The tiny CLIPModel, its triples and image embeddings.
inline std::filesystem::path golden_clip() {
  return std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip/full";
}

}  // namespace paraclip::test
