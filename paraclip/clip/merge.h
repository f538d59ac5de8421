#pragma once

#include "paraclip/clip/text_model.h"

#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// Weights between those of a base model and those of one that was tuned from it (WiSE-FT,
/// Wortsman et al., CVPR 2022): base + alpha (tuned - base) for every tensor of the text tower, the
/// temperature included. Half-way keeps most of what tuning won and loses little of what the base
/// could.
class Merge {
 public:
  /// Throws kData where the two have other architectures, or image towers that differ: then images
  /// embedded by one are not valid for the other.
  Merge(const ModelSource& base, const ModelSource& tuned);

  /// Sets the model to this alpha: 0 is the base and 1 the tuned model, both bit for bit. Throws
  /// kUsage for one outside of [0, 1].
  void set(double alpha);

  /// The base with the text tower as set; at first it is the base's.
  const TextModel& model() const { return model_; }

  /// Writes the model, in the base's form and with its image tower, and a model card, as the folder
  /// `output`, which must not exist. Throws kUsage, kIo.
  void save(const std::filesystem::path& output) const;

 private:
  TextModel model_, tuned_;
  std::vector<at::Tensor> base_;
  std::string base_fingerprint_;
  double alpha_ = 0;
};

}  // namespace paraclip
