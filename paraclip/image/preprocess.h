#pragma once

#include "paraclip/base/json.h"
#include "paraclip/image/image.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace paraclip {

/// Whose order of steps and whose rounding is followed.
enum class PreprocessFamily {
  kOpenClip,  ///< Resize and crop in the picture's own mode, then RGB (open_clip, OpenAI).
  kHf,        ///< RGB first (transformers' CLIPImageProcessor, the Pillow backend).
};

/// How a picture is brought to size before the crop.
enum class ResizeMode {
  kNone,      ///< Not at all (HF `do_resize: false`).
  kShortest,  ///< Its shorter side becomes `resize_size`.
  kLongest,   ///< Its longer side becomes `resize_size`; the rest is padded (open_clip only).
  kSquash,    ///< Both sides become `resize_size`.
};

/// The steps from a decoded picture to the pixels that an image tower takes.
struct Preprocessing {
  PreprocessFamily family = PreprocessFamily::kOpenClip;
  int image_size = 224;  ///< Side of the result: the crop.
  ResizeMode resize_mode = ResizeMode::kShortest;
  int resize_size = 224;
  double rescale_factor = 1.0 / 255;  ///< HF's; open_clip divides by 255.
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> std = {0.26862954, 0.26130258, 0.27577711};

  /// Reads a preprocessor_config.json. Throws kData, naming `where`, for what is not supported.
  static Preprocessing from_hf(const Json& config, std::string_view where);
  /// Reads an open_clip_config.json: `preprocess_cfg`, and the size from `model_cfg.vision_cfg`.
  static Preprocessing from_open_clip(const Json& config, std::string_view where);

  /// The same steps as a preprocessor_config.json, or as the `preprocess_cfg` of an
  /// open_clip_config.json. Throw kUsage for steps that the other family has no words for.
  Json to_hf() const;
  Json to_open_clip() const;

  /// All of the above, for the record beside embeddings.
  Json to_json() const;
  /// Throws kUsage where a value makes no sense.
  void validate() const;
};

/// Writes `image` as the image tower takes it to `out`, `[3, image_size, image_size]`. Bit for bit
/// what the family's reference computes. Throws kData where a side would vanish.
void preprocess(const Image& image, const Preprocessing& preprocessing, std::span<float> out);

/// Training augmentation: as `preprocess`, but of a random part of the picture, by the rules of
/// torchvision's RandomResizedCrop with scale (`min_scale`, 1), ratio (3/4, 4/3). A pure function
/// of its arguments.
void random_resized_crop(const Image& image, const Preprocessing& preprocessing, double min_scale,
                         uint64_t seed, std::span<float> out);

}  // namespace paraclip
