#include "paraclip/eval/model_encoder.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/random.h"
#include "paraclip/base/signals.h"
#include "paraclip/base/user_folders.h"
#include "paraclip/image/crop.h"
#include "paraclip/image/decode.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// Texts given to the encoder at once: many batches of it, yet often enough for progress and Ctrl-C.
constexpr size_t kTextBlock = 2048;
constexpr size_t kImageBlock = 32;

using KeySet = std::unordered_set<VectorStore::Key, VectorStore::KeyHash>;

fs::path cache_file(const fs::path& folder, const std::string& name) {
  return folder.empty() ? fs::path() : folder / (name + ".vectors");
}

// Adds the vectors that `keys` name: rows begin to end of what `encode(begin, end)` gives, `block`
// at a time. What is done when a stop is asked for is kept.
template <class Encode>
void add_vectors(VectorStore& store, std::span<const VectorStore::Key> keys, size_t block,
                 const std::string& unit, const ProgressCallback& progress, const Encode& encode) {
  for (size_t begin = 0; begin < keys.size(); begin += block) {
    if (stop_requested()) {
      store.save();
      fail(ErrorKind::kInterrupted, "evaluation was stopped");
    }
    const size_t end = std::min(begin + block, keys.size());
    const at::Tensor rows = encode(begin, end).contiguous();
    const float* row = rows.template const_data_ptr<float>();
    for (size_t i = begin; i < end; ++i, row += store.width())
      store.add(keys[i], {row, static_cast<size_t>(store.width())});
    if (progress) {
      progress({.label = "encode " + unit,
                .unit = unit,
                .done = static_cast<int64_t>(end),
                .total = static_cast<int64_t>(keys.size()),
                .detail = {}});
    }
  }
  store.save();
}

// The images of a block as the tower takes them.
at::Tensor read_pixels(std::span<const EvalImage> images, const Preprocessing& preprocessing) {
  const int64_t size = preprocessing.image_size;
  at::Tensor pixels = at::empty({static_cast<int64_t>(images.size()), 3, size, size}, at::kFloat);
  float* target = pixels.mutable_data_ptr<float>();
  const size_t count = static_cast<size_t>(3 * size * size);
  at::parallel_for(
      0, static_cast<int64_t>(images.size()), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const EvalImage& image = images[static_cast<size_t>(i)];
          const auto file = MappedFile::open(image.file);
          Image decoded = decode_image(file->bytes(), image.file.string());
          if (image.crop) {
            const Box& box = *image.crop;
            decoded = crop_image(convert_to_rgb(decoded), box.x, box.y, box.width, box.height);
          }
          preprocess(decoded, preprocessing, {target + static_cast<size_t>(i) * count, count});
        }
      });
  return pixels;
}

std::string text_identity(const TextModel& model) {
  return fmt::format("text-{}-{}-{}", model.fingerprint(), model.tokenizer().fingerprint(),
                     to_string(model.tower().precision()));
}

std::string image_identity(const ImageModel& model) {
  return fmt::format("image-{}-{}-{}", model.fingerprint(),
                     hash_hex(dump_json(model.preprocessing().to_json())),
                     to_string(model.precision()));
}

}  // namespace

fs::path default_vector_cache() { return user_cache_folder() / "paraclip" / "vectors"; }

ImageVectors::ImageVectors(const ImageEmbeddings* embeddings, std::unique_ptr<ImageModel> model,
                           const fs::path& cache, ProgressCallback progress)
    : embeddings_(embeddings),
      model_(std::move(model)),
      progress_(std::move(progress)),
      width_(model_ ? model_->embedding_width() : embeddings_->width()),
      store_(width_, model_ ? cache_file(cache, image_identity(*model_)) : fs::path()) {
  if (model_ && embeddings_ != nullptr && embeddings_->width() != width_) {
    fail(ErrorKind::kData,
         "the image tower gives vectors of width {} and the image embeddings are {} wide; expected "
         "both from one model",
         width_, embeddings_->width());
  }
}

std::string ImageVectors::identity(const EvalImage& image) const {
  std::error_code failed;
  const fs::path file = fs::weakly_canonical(image.file, failed);
  const auto size = fs::file_size(image.file, failed);
  const auto time = fs::last_write_time(image.file, failed);
  if (failed) {
    fail(ErrorKind::kIo, "cannot read the image {}: {}", image.file.string(), failed.message());
  }
  const Box box = image.crop.value_or(Box{});
  return fmt::format("{}\n{} {} {} {} {} {}", file.string(), size, time.time_since_epoch().count(),
                     box.x, box.y, box.width, box.height);
}

at::Tensor ImageVectors::encode(std::span<const EvalImage> images) {
  std::vector<std::optional<int64_t>> embedded(images.size());
  std::vector<VectorStore::Key> keys(images.size()), new_keys;
  std::vector<EvalImage> missing;
  KeySet asked;
  for (size_t i = 0; i < images.size(); ++i) {
    const EvalImage& image = images[i];
    if (embeddings_ != nullptr && !image.crop) embedded[i] = embeddings_->row(image.id);
    if (embedded[i]) continue;
    if (!model_) {
      fail(ErrorKind::kUsage,
           "the image '{}' is not in the image embeddings and the model has no image tower to "
           "encode it with; expected embeddings of all images, or a model with an image tower",
           image.id);
    }
    keys[i] = VectorStore::key_of(identity(image));
    if (store_.find(keys[i]) || !asked.insert(keys[i]).second) continue;
    missing.push_back(image);
    new_keys.push_back(keys[i]);
  }
  add_vectors(store_, new_keys, kImageBlock, "images", progress_, [&](size_t begin, size_t end) {
    return model_->encode(
        read_pixels(std::span(missing).subspan(begin, end - begin), model_->preprocessing()));
  });
  at::Tensor result = at::empty({static_cast<int64_t>(images.size()), width_}, at::kFloat);
  float* target = result.mutable_data_ptr<float>();
  for (size_t i = 0; i < images.size(); ++i, target += width_) {
    const at::Tensor vector = embedded[i] ? embeddings_->rows({&*embedded[i], 1})
                                          : store_.rows(std::array{*store_.find(keys[i])});
    std::copy_n(vector.const_data_ptr<float>(), width_, target);
  }
  return result;
}

ModelEncoder::ModelEncoder(std::unique_ptr<TextModel> model, std::shared_ptr<ImageVectors> images,
                           const fs::path& cache, ProgressCallback progress)
    : model_(std::move(model)),
      images_(std::move(images)),
      progress_(std::move(progress)),
      store_(model_->config().text.projection_dim, cache_file(cache, text_identity(*model_))) {
  if (images_ && images_->width() != store_.width()) {
    fail(ErrorKind::kData,
         "the model {} gives text vectors of width {} and the images have vectors of width {}; "
         "expected both from one model",
         model_->files().folder.string(), store_.width(), images_->width());
  }
}

at::Tensor ModelEncoder::encode_texts(const std::vector<std::string>& texts) {
  std::vector<VectorStore::Key> keys, new_keys;
  std::vector<std::string> missing;
  KeySet asked;
  for (const std::string& text : texts) {
    keys.push_back(VectorStore::key_of(text));
    if (store_.find(keys.back()) || !asked.insert(keys.back()).second) continue;
    missing.push_back(text);
    new_keys.push_back(keys.back());
  }
  add_vectors(store_, new_keys, kTextBlock, "texts", progress_, [&](size_t begin, size_t end) {
    const auto texts_at = [&](size_t i) {
      return missing.begin() + static_cast<std::ptrdiff_t>(i);
    };
    return model_->encode({texts_at(begin), texts_at(end)});
  });
  std::vector<int64_t> rows;
  for (const VectorStore::Key& key : keys) rows.push_back(*store_.find(key));
  return store_.rows(rows);
}

at::Tensor ModelEncoder::encode_images(std::span<const EvalImage> images) {
  if (!images_) {
    fail(ErrorKind::kUsage,
         "the model {} has no image tower and no image embeddings were given; expected one of them",
         model_->files().folder.string());
  }
  return images_->encode(images);
}

}  // namespace paraclip
