#pragma once

#include "paraclip/base/random.h"
#include "paraclip/eval/encoder.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace paraclip::test {

/// An encoder that gives the vectors it is told, and to all else a unit vector that depends on the
/// text (or the image's id and crop) alone.
class FakeEncoder : public Encoder {
 public:
  explicit FakeEncoder(int64_t width = 8) : width_(width) {}

  std::map<std::string, std::vector<float>> texts;   ///< [width] each, made unit by the encoder.
  std::map<std::string, std::vector<float>> images;  ///< By image_key().

  /// With this many levels of each coordinate, unknown texts and images often tie.
  int levels = 1 << 20;

  static std::string image_key(const EvalImage& image) {
    std::string key = image.id;
    if (image.crop) {
      for (const int64_t part :
           {image.crop->x, image.crop->y, image.crop->width, image.crop->height}) {
        key += ":";
        key += std::to_string(part);
      }
    }
    return key;
  }

  at::Tensor encode_texts(const std::vector<std::string>& wanted) override {
    std::vector<std::vector<float>> rows;
    for (const std::string& text : wanted) rows.push_back(vector_of(texts, text, /*seed=*/1));
    return to_tensor(rows);
  }

  at::Tensor encode_images(std::span<const EvalImage> wanted) override {
    std::vector<std::vector<float>> rows;
    for (const EvalImage& image : wanted)
      rows.push_back(vector_of(images, image_key(image), /*seed=*/2));
    return to_tensor(rows);
  }

 private:
  std::vector<float> vector_of(const std::map<std::string, std::vector<float>>& known,
                               const std::string& key, uint64_t seed) const {
    const auto found = known.find(key);
    std::vector<float> vector = found == known.end() ? std::vector<float>() : found->second;
    for (int64_t i = 0; found == known.end() && i < width_; ++i) {
      const uint64_t random = hash64(key, seed * 1000 + static_cast<uint64_t>(i));
      vector.push_back(static_cast<float>(random % static_cast<uint64_t>(levels)) + 0.5F -
                       static_cast<float>(levels) / 2);
    }
    double square = 0;
    for (const float value : vector) square += double{value} * value;
    for (float& value : vector) value = static_cast<float>(value / std::sqrt(square));
    return vector;
  }

  at::Tensor to_tensor(const std::vector<std::vector<float>>& rows) const {
    at::Tensor result = at::empty({static_cast<int64_t>(rows.size()), width_}, at::kFloat);
    for (size_t i = 0; i < rows.size(); ++i)
      std::copy(rows[i].begin(), rows[i].end(),
                result.mutable_data_ptr<float>() + static_cast<int64_t>(i) * width_);
    return result;
  }

  int64_t width_;
};

}  // namespace paraclip::test
