#pragma once

#include "paraclip/base/file.h"
#include "paraclip/base/random.h"
#include "paraclip/image/encode.h"
#include "tests/support.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

namespace paraclip::test {

inline void put(const std::filesystem::path& path, std::string_view bytes) {
  make_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A small JPEG that is a function of `seed`: a colour gradient.
inline std::string some_jpeg(uint64_t seed) {
  Image image(PixelMode::kRgb, 12 + static_cast<int>(mix64(seed) % 9), 10);
  const uint64_t mix = mix64(seed + 1000);
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<uint8_t>((mix >> (8 * (i % 3))) + i * (seed % 5));
  }
  return encode_jpeg(image, /*quality=*/90);
}

/// Copies the small CLIP of the golden tests, whose images are 8 pixels wide, to `folder`.
inline void put_model(const std::filesystem::path& folder) {
  std::filesystem::copy(std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip/full/model",
                        folder);
  put(folder / "preprocessor_config.json", R"({"crop_size": {"height": 8, "width": 8},
      "do_center_crop": true, "do_convert_rgb": true, "do_normalize": true, "do_rescale": true,
      "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25],
      "resample": 3, "size": {"shortest_edge": 8}})");
}

/// The files below `folder` by their paths, with their bytes.
inline std::map<std::string, std::string> files_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().lexically_relative(folder).string()] = read_file(entry.path());
  }
  return files;
}

}  // namespace paraclip::test
