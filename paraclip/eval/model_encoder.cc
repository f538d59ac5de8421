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
#include <unordered_set>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// Texts given to the encoder at once: many batches of it, yet often enough for progress and Ctrl-C.
constexpr size_t kTextBlock = 2048;
constexpr size_t kImageBlock = 32;

struct KeyHash {
  size_t operator()(const VectorStore::Key& key) const { return key.first; }
};
using KeySet = std::unordered_set<VectorStore::Key, KeyHash>;

fs::path cache_file(const fs::path& folder, const std::string& name) {
  return folder.empty() ? fs::path() : folder / (name + ".vectors");
}

void add_rows(VectorStore& store, std::span<const VectorStore::Key> keys, const at::Tensor& rows) {
  const at::Tensor values = rows.contiguous();
  for (size_t i = 0; i < keys.size(); ++i) {
    const float* row = values.const_data_ptr<float>() + static_cast<int64_t>(i) * store.width();
    store.add(keys[i], {row, static_cast<size_t>(store.width())});
  }
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

void ImageVectors::compute(std::span<const EvalImage> images) {
  for (size_t start = 0; start < images.size(); start += kImageBlock) {
    if (stop_requested()) {
      store_.save();
      fail(ErrorKind::kInterrupted, "evaluation was stopped");
    }
    const auto block = images.subspan(start, std::min(kImageBlock, images.size() - start));
    std::vector<VectorStore::Key> keys;
    for (const EvalImage& image : block) keys.push_back(VectorStore::key_of(identity(image)));
    add_rows(store_, keys, model_->encode(read_pixels(block, model_->preprocessing())));
    if (progress_) {
      progress_({.label = "encode images",
                 .unit = "images",
                 .done = static_cast<int64_t>(start + block.size()),
                 .total = static_cast<int64_t>(images.size()),
                 .detail = {}});
    }
  }
  store_.save();
}

at::Tensor ImageVectors::encode(std::span<const EvalImage> images) {
  const auto embedded = [this](const EvalImage& image) {
    return embeddings_ != nullptr && !image.crop ? embeddings_->row(image.id) : std::nullopt;
  };
  std::vector<EvalImage> missing;
  KeySet asked;
  for (const EvalImage& image : images) {
    if (embedded(image)) continue;
    if (!model_) {
      fail(ErrorKind::kUsage,
           "the image '{}' is not in the image embeddings and the model has no image tower to "
           "encode it with; expected embeddings of all images, or a model with an image tower",
           image.id);
    }
    const VectorStore::Key key = VectorStore::key_of(identity(image));
    if (!store_.find(key) && asked.insert(key).second) missing.push_back(image);
  }
  compute(missing);
  at::Tensor result = at::empty({static_cast<int64_t>(images.size()), width_}, at::kFloat);
  for (size_t i = 0; i < images.size(); ++i) {
    const auto row = embedded(images[i]);
    const at::Tensor vector =
        row ? embeddings_->rows({&*row, 1})
            : store_.rows(std::array{*store_.find(VectorStore::key_of(identity(images[i])))});
    result[static_cast<int64_t>(i)] = vector[0];
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
  for (size_t start = 0; start < missing.size(); start += kTextBlock) {
    if (stop_requested()) {
      store_.save();
      fail(ErrorKind::kInterrupted, "evaluation was stopped");
    }
    const size_t count = std::min(kTextBlock, missing.size() - start);
    const auto first = missing.begin() + static_cast<std::ptrdiff_t>(start);
    add_rows(store_, std::span(new_keys).subspan(start, count),
             model_->encode({first, first + static_cast<std::ptrdiff_t>(count)}));
    if (progress_) {
      progress_({.label = "encode texts",
                 .unit = "texts",
                 .done = static_cast<int64_t>(start + count),
                 .total = static_cast<int64_t>(missing.size()),
                 .detail = {}});
    }
  }
  store_.save();
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
