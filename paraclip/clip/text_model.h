#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/config.h"
#include "paraclip/clip/packed_text.h"
#include "paraclip/clip/text_tower.h"
#include "paraclip/clip/tokenizer.h"
#include "paraclip/clip/vision_tower.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// A CLIP text encoder as it comes in a folder: configuration, tokenizer and weights.
class TextModel {
 public:
  /// Loads the text tower of a CLIP folder: HF's (config.json, model.safetensors, tokenizer files;
  /// CLIPModel or CLIPTextModelWithProjection) or open_clip's (open_clip_config.json,
  /// open_clip_model.safetensors). A folder without tokenizer files gets CLIP's own vocabulary.
  ///
  /// Throws kIo, kData; tensors that are missing, unexpected or of another shape are listed all in
  /// one message.
  static TextModel load(const std::filesystem::path& folder);

  /// A text tower of random weights after the configuration in `folder`, which needs no weights:
  /// for training from nothing. Throws kIo, kData.
  static TextModel initialize(const std::filesystem::path& folder, uint64_t seed);

  const std::filesystem::path& folder() const { return folder_.path; }
  const ClipConfig& config() const { return folder_.config; }
  const TextTower& tower() const { return tower_; }
  TextTower& tower() { return tower_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

  /// The token ids of one text, with start and end token, cut to the context length and after the
  /// pooled token.
  std::vector<int64_t> tokenize(std::string_view text) const;

  /// The embeddings of `texts`: float32 [texts, projection_dim], rows of unit length. At most about
  /// `batch_tokens` tokens are computed at once. No gradients.
  at::Tensor encode(const std::vector<std::string>& texts, int64_t batch_tokens = 8192) const;

  /// Writes the files of a model of the same family into the existing folder `target`: weights in
  /// float32, the configuration, and the tokenizer and preprocessing files of the folder that the
  /// model came from. Where that has an image tower, so has what is written: `trained_vision` under
  /// its names, or, without, the tensors of the folder untouched. Throws kIo.
  void save(const std::filesystem::path& target, const VisionTower* trained_vision = nullptr) const;

  /// As save(), without an image tower: a CLIPTextModelWithProjection. Throws kIo; kUsage for a
  /// model of open_clip's family, which has no such form.
  void save_text_only(const std::filesystem::path& target) const;

  /// A hash of the text tower's weights and architecture, as 16 hexadecimal digits.
  std::string fingerprint() const;

 private:
  TextModel(ModelFolder folder, std::vector<NamedTensor> tensors);
  void write(const std::filesystem::path& target, const std::vector<NamedTensor>& vision,
             Json json) const;

  ModelFolder folder_;
  Tokenizer tokenizer_;
  TextTower tower_;
};

}  // namespace paraclip
