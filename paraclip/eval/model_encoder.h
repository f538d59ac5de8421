#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/eval/encoder.h"
#include "paraclip/eval/vector_store.h"
#include "paraclip/io/image_embeddings.h"

#include <filesystem>
#include <memory>
#include <string>

namespace paraclip {

/// Images as vectors: of the user's embeddings where they have the image, else read from files and
/// encoded, each once. What models with the same image tower share.
class ImageVectors {
 public:
  /// `embeddings` and `model` may be null. `cache` is the folder to keep vectors in; empty: none.
  ImageVectors(const ImageEmbeddings* embeddings, std::unique_ptr<ImageModel> model,
               const std::filesystem::path& cache, ProgressCallback progress);

  /// Float32 unit rows [images, width]. Throws kUsage for an image that is not in the embeddings
  /// where there is no image tower; kIo, kData for files that cannot be read; kInterrupted.
  at::Tensor encode(std::span<const EvalImage> images);

  /// The length of a vector.
  int64_t width() const { return width_; }

  /// The fingerprint of the image tower; empty without one.
  std::string tower() const { return model_ ? model_->fingerprint() : ""; }

 private:
  std::string identity(const EvalImage& image) const;

  const ImageEmbeddings* embeddings_;
  std::unique_ptr<ImageModel> model_;
  ProgressCallback progress_;
  int64_t width_;
  VectorStore store_;
};

/// A model on disk as benchmarks see it. Each distinct text is encoded once, over all benchmarks
/// and, with a cache, over all runs of the same weights.
class ModelEncoder : public Encoder {
 public:
  /// `images` may be null: then there are no images. Throws kData if texts and images differ in
  /// width.
  ModelEncoder(std::unique_ptr<TextModel> model, std::shared_ptr<ImageVectors> images,
               const std::filesystem::path& cache, ProgressCallback progress);

  at::Tensor encode_texts(const std::vector<std::string>& texts) override;
  at::Tensor encode_images(std::span<const EvalImage> images) override;

 private:
  std::unique_ptr<TextModel> model_;
  std::shared_ptr<ImageVectors> images_;
  ProgressCallback progress_;
  VectorStore store_;
};

/// Where vectors are kept unless the user says otherwise: paraclip/vectors in the user's cache.
std::filesystem::path default_vector_cache();

}  // namespace paraclip
