#pragma once

#include "paraclip/base/file.h"
#include "paraclip/image/encode.h"
#include "tests/support.h"

#include <filesystem>
#include <string>
#include <vector>

namespace paraclip::test {

/// A tiny CLIPModel that takes images of 17 pixels.
inline std::filesystem::path golden_vision() {
  return std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests/golden/vision/quick_gelu/hf";
}

/// An image with its captions.
struct PairSample {
  std::string jpeg;
  std::vector<std::string> captions;
};

/// A JPEG of 40 x 30 pixels: `red` above, `green` below.
inline std::string two_colours(uint8_t red, uint8_t green) {
  Image image(PixelMode::kRgb, 40, 30);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      image.row(y)[3 * x + (y < 15 ? 0 : 1)] = y < 15 ? red : green;
    }
  }
  return encode_jpeg(image, 90);
}

/// Eight images that differ, image k with 1 + k % 3 captions.
inline std::vector<PairSample> pair_samples() {
  const std::vector<std::string> things = {"dog",  "red car", "house", "tree",
                                           "boat", "guitar",  "beach", "cat"};
  std::vector<PairSample> samples;
  for (size_t k = 0; k < things.size(); ++k) {
    PairSample sample;
    sample.jpeg =
        two_colours(static_cast<uint8_t>(30 * k + 20), static_cast<uint8_t>(230 - 30 * k));
    for (const char* form : {"a {}", "the {} in a picture", "one more {}"}) {
      std::string text = form;
      text.replace(text.find("{}"), 2, things[k]);
      if (sample.captions.size() <= k % 3) sample.captions.push_back(text);
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

/// Writes them to `folder`/images/sub/k.jpg and `folder`/captions.tsv.
inline void write_pair_folder(const std::filesystem::path& folder,
                              const std::vector<PairSample>& samples) {
  make_directories(folder / "images/sub");
  std::string table = "image_id\tcaption\n";
  for (size_t k = 0; k < samples.size(); ++k) {
    const std::string name = "sub/" + std::to_string(k) + ".jpg";
    write_file_atomic(folder / "images" / name, samples[k].jpeg);
    for (const std::string& caption : samples[k].captions) table += name + "\t" + caption + "\n";
  }
  write_file_atomic(folder / "captions.tsv", table);
}

}  // namespace paraclip::test
