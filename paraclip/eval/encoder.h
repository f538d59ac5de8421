#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace paraclip {

/// A part of a picture: `width` x `height` pixels from column `x`, row `y` on.
struct Box {
  int64_t x = 0, y = 0, width = 0, height = 0;
  bool operator==(const Box&) const = default;
};

/// An image that a benchmark asks for.
struct EvalImage {
  std::string id;              ///< In the user's image embeddings: "000000000139.jpg".
  std::filesystem::path file;  ///< Where it is to be read otherwise.
  std::optional<Box> crop;     ///< Of the decoded picture; such an image is always read.
};

/// A CLIP model as a benchmark sees it: texts and images become unit vectors of one space.
class Encoder {
 public:
  virtual ~Encoder() = default;

  /// Float32 unit rows [texts, width]; equal texts give equal rows.
  virtual at::Tensor encode_texts(const std::vector<std::string>& texts) = 0;

  /// Float32 unit rows [images, width]. Throws kUsage where there is no image tower for what must
  /// be read; kIo, kData for images that cannot be read.
  virtual at::Tensor encode_images(std::span<const EvalImage> images) = 0;
};

/// The inner products of rows i of `first` and of `second` (both [n, width]), summed in float64 and
/// rounded to float32, as top_k() scores: equal vectors tie.
std::vector<double> row_similarities(const at::Tensor& first, const at::Tensor& second);

}  // namespace paraclip
