#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/precision.h"
#include "paraclip/clip/vision_tower.h"
#include "paraclip/image/preprocess.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace paraclip {

/// A CLIP image encoder as it comes in a folder: preprocessing and weights, for inference.
class ImageModel {
 public:
  /// Loads the image tower of a CLIP model in any form that ModelFiles::open() knows. Throws kIo,
  /// kData, kUsage.
  static ImageModel load(const ModelSource& source, Precision precision = Precision::kFp32);

  const std::filesystem::path& path() const { return path_; }
  const Preprocessing& preprocessing() const { return preprocessing_; }
  Precision precision() const { return precision_; }

  /// The length of an embedding.
  int64_t embedding_width() const { return width_; }

  /// The embeddings of preprocessed images [n, 3, size, size] of float32: float32
  /// [n, embedding_width()], rows of unit length. Any number of threads may call it.
  at::Tensor encode(const at::Tensor& pixels) const;

  /// A hash of the image tower's weights and architecture, as 16 hexadecimal digits: equal for the
  /// same tower in both families' forms, whatever the precision.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  ImageModel(const ModelFiles& files, std::vector<NamedTensor> tensors, Precision precision);

  std::filesystem::path path_;
  Preprocessing preprocessing_;
  Precision precision_;
  int64_t width_;
  std::string fingerprint_;
  PackedVisionTower tower_;
};

/// How images are prepared for a model: its preprocessor_config.json, or the preprocess_cfg of its
/// open_clip_config.json; for weights that came without configuration, as OpenAI's are. Throws kIo;
/// kData for a file that is missing or does not fit the image tower.
Preprocessing read_preprocessing(const ModelFiles& files);

/// The fingerprint of image tower weights: what ImageModel::fingerprint() gives.
std::string vision_fingerprint(const VisionConfig& config, const std::vector<NamedTensor>& tensors);

}  // namespace paraclip
