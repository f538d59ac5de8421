#pragma once

#include "paraclip/eval/encoder.h"

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace paraclip {

/// What a zero-shot classifier is made of.
struct ZeroShotPrompts {
  std::vector<std::string> classes;    ///< Names, by class.
  std::vector<std::string> templates;  ///< With "{}" or "{c}" where the name goes.

  /// The prompts of class `index`, one for each template.
  std::vector<std::string> of(size_t index) const;
};

/// The vectors of all classes, float32 unit rows [classes, width]: the mean of the unit vectors of
/// a class's prompts, made unit again (CLIP's prompt ensemble; open_clip,
/// build_zero_shot_classifier). Throws what the encoder throws.
at::Tensor class_vectors(const ZeroShotPrompts& prompts, Encoder& encoder);

}  // namespace paraclip
