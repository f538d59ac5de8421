#pragma once

#include "paraclip/clip/text_model.h"

#include <string>

namespace paraclip {

/// A semantic check of paraphrases: a CLIP text encoder, best the one that is to be fine-tuned,
/// tells how alike an output and the caption are. It catches what words cannot tell: another colour
/// or another thing in the place of the right one.
class SimilarityCheck {
 public:
  /// Loads the text tower of `model`. `least`, in [-1, 1], is the cosine below
  /// which an output is rejected. Throws kUsage, kIo, kData.
  SimilarityCheck(const ModelSource& model, double least);

  /// Whether the two texts' embeddings have a cosine of at least `least`. Each text is embedded
  /// alone, so that the answer depends on nothing else.
  bool alike(const std::string& caption, const std::string& output) const;

  /// What determines the answers: the encoder and the bound.
  std::string fingerprint() const;

 private:
  TextModel model_;
  double least_;
};

}  // namespace paraclip
