#pragma once

#include "paraclip/eval/benchmark.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace paraclip {

/// Which of the images of a benchmark can be used.
struct ImagesAtHand {
  std::vector<int64_t> rows;  ///< Those that can, by their place in the list.
  int64_t total = 0;
  std::string first_missing;  ///< Id of the first that cannot be used; empty if all can.

  bool complete() const { return first_missing.empty(); }

  /// "1,513 of 1,560 images, such as 000000000139.jpg": those that cannot be used.
  std::string missing() const;

  /// " (47 of 1,560 images)": what names of metrics end with where they are not of all images.
  std::string suffix() const;
};

/// Looks for `images` in the user's embeddings and on the disk.
ImagesAtHand find_images(const BenchmarkData& data, std::span<const EvalImage> images);

/// What to do where images are missing: `folder` is where they belong, `fetch` the name for
/// `paraclip data fetch`, or empty.
std::string image_remedy(const BenchmarkData& data, const std::filesystem::path& folder,
                         const std::string& fetch);

/// A count with its thousands set off: "4,757".
std::string with_commas(int64_t number);

}  // namespace paraclip
