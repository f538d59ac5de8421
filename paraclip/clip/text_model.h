#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/config.h"
#include "paraclip/clip/model_files.h"
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
  /// Loads the text tower of a CLIP model in any form that ModelFiles::open() knows. Where no
  /// tokenizer files stand beside it, it gets CLIP's own vocabulary.
  ///
  /// Throws kIo, kData, kUsage; tensors that are missing, unexpected or of another shape are listed
  /// all in one message.
  static TextModel load(const ModelSource& source);

  /// A text tower of random weights after the configuration of `source`, which needs no weights:
  /// for training from nothing. Throws kIo, kData.
  static TextModel initialize(const ModelSource& source, uint64_t seed);

  const ModelFiles& files() const { return files_; }
  const ClipConfig& config() const { return files_.config; }
  const TextTower& tower() const { return tower_; }
  TextTower& tower() { return tower_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

  /// The token ids of one text, with start and end token, cut to the context length and after the
  /// pooled token.
  std::vector<int64_t> tokenize(std::string_view text) const;

  /// The embeddings of `texts`: float32 [texts, projection_dim], rows of unit length. At most about
  /// `batch_tokens` tokens are computed at once. No gradients.
  at::Tensor encode(const std::vector<std::string>& texts, int64_t batch_tokens = 8192) const;

  /// Whether save() (or, with `text_only`, save_text_only()) has a form to write the model in.
  /// Throws kUsage if not, saying what to do.
  void check_savable(bool text_only) const;

  /// Writes the files of a model of the same family into the existing folder `target`: weights in
  /// float32, the configuration, and the tokenizer and preprocessing files of the folder that the
  /// model came from. Where that has an image tower, so has what is written: `trained_vision` under
  /// its names, or, without, the tensors of the file untouched. Throws kIo; kUsage for weights that
  /// came without configuration and whose image tower is not supported.
  void save(const std::filesystem::path& target, const VisionTower* trained_vision = nullptr) const;

  /// Writes the text tower alone as transformers' CLIPTextModelWithProjection. Throws kIo; kUsage
  /// for RoBERTa's, which has no such form.
  void save_text_only(const std::filesystem::path& target) const;

  /// A hash of the text tower's weights and architecture, as 16 hexadecimal digits.
  std::string fingerprint() const;

 private:
  TextModel(ModelFiles files, std::vector<NamedTensor> tensors);
  void write(const std::filesystem::path& target, ModelFamily family,
             const std::vector<NamedTensor>& vision, Json json) const;

  ModelFiles files_;
  Tokenizer tokenizer_;
  TextTower tower_;
};

/// The tokenizer of a model: of its family, with the vocabulary that stands beside it. Throws kIo;
/// kData for one that is malformed or has more tokens than the model.
Tokenizer load_tokenizer(const ModelFiles& files);

/// The fingerprint of text tower weights: what TextModel::fingerprint() gives.
std::string text_fingerprint(const TextConfig& config, const std::vector<NamedTensor>& tensors);

}  // namespace paraclip
