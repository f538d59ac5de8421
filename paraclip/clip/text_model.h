#pragma once

#include "paraclip/clip/config.h"
#include "paraclip/clip/packed_text.h"
#include "paraclip/clip/text_tower.h"
#include "paraclip/clip/tokenizer.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// A CLIP text encoder as it comes in a folder: configuration, tokenizer and weights.
class TextModel {
 public:
  /// Loads an HF folder (config.json, model.safetensors, tokenizer files): CLIPModel, whose image
  /// tower is not read, or CLIPTextModelWithProjection. A folder without tokenizer files gets
  /// CLIP's own vocabulary.
  ///
  /// Throws kIo, kData; tensors that are missing, unexpected or of another shape are listed all in
  /// one message.
  static TextModel load(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const ClipConfig& config() const { return config_; }
  const TextTower& tower() const { return tower_; }
  TextTower& tower() { return tower_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

  /// The token ids of one text, with start and end token, cut to the context length and after the
  /// pooled token.
  std::vector<int64_t> tokenize(std::string_view text) const;

  /// The embeddings of `texts`: float32 [texts, projection_dim], rows of unit length. At most about
  /// `batch_tokens` tokens are computed at once. No gradients.
  at::Tensor encode(const std::vector<std::string>& texts, int64_t batch_tokens = 8192) const;

  /// Writes an HF folder's files into the existing folder `target`: float32 weights, config.json,
  /// and the tokenizer and preprocessing files of the folder that the model was loaded from. Where
  /// that is a CLIPModel, so is what is written, its image tower's tensors untouched, unless
  /// `text_only`. Throws kIo.
  void save(const std::filesystem::path& target, bool text_only = false) const;

  /// A hash of the text tower's weights and architecture, as 16 hexadecimal digits.
  std::string fingerprint() const;

 private:
  TextModel(std::filesystem::path folder, ClipConfig config, Tokenizer tokenizer, TextTower tower);

  std::filesystem::path folder_;
  ClipConfig config_;
  Tokenizer tokenizer_;
  TextTower tower_;
};

}  // namespace paraclip
