#include "paraclip/embed/embedder.h"

#include "paraclip/base/error.h"
#include "paraclip/base/log.h"
#include "paraclip/embed/embedding_folder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

namespace paraclip {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLoggedBad = 10;

// The columns that a sample has whatever its metadata says: clip-retrieval leaves them out of that.
const std::set<std::string> kOwnColumns = {"image_path", "caption", "metadata"};

// Metadata of a shard in columns: id, caption, then all that any sample has, by name.
std::vector<ParquetColumn> metadata_columns(std::vector<ImageSample> samples) {
  std::set<std::string> names;
  for (const ImageSample& sample : samples) {
    for (const auto& [name, value] : sample.fields.items()) {
      if (!kOwnColumns.contains(name)) names.insert(name);
    }
  }
  ParquetColumn ids{"image_path", {}};
  ParquetColumn captions{"caption", {}};
  for (const ImageSample& sample : samples) {
    ids.values.emplace_back(sample.id);
    captions.values.push_back(sample.caption ? Json(*sample.caption) : Json());
  }
  std::vector<ParquetColumn> columns = {std::move(ids), std::move(captions)};
  for (const std::string& name : names) {
    ParquetColumn column{name, {}};
    for (ImageSample& sample : samples) {
      const auto found = sample.fields.find(name);
      column.values.push_back(found == sample.fields.end() ? Json() : std::move(*found));
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

at::Tensor encode_captions(const TextModel& model, const std::vector<ImageSample>& samples) {
  std::vector<std::string> captions;
  for (const ImageSample& sample : samples) captions.push_back(sample.caption.value_or(""));
  return model.encode(captions);
}

// Guesses how many images there are from the sizes of the shards that are done.
class Total {
 public:
  Total(const ImageSource& source, const EmbeddingFolder& folder)
      : known_(source.images().value_or(0)) {
    for (size_t shard = 0; shard < source.shards(); ++shard) {
      all_ += static_cast<double>(source.shard_weight(shard));
      if (const auto& record = folder.records()[shard]) add(source, shard, *record);
    }
  }

  void add(const ImageSource& source, size_t shard, const ShardRecord& record) {
    weight_ += static_cast<double>(source.shard_weight(shard));
    images_ += static_cast<double>(record.rows) + static_cast<double>(record.bad.size());
  }

  // 0 as long as there is nothing to go by.
  int64_t images() const {
    if (known_ > 0) return known_;
    return weight_ > 0 ? std::llround(images_ / weight_ * all_) : 0;
  }

 private:
  int64_t known_;
  double all_ = 0, weight_ = 0, images_ = 0;
};

// A run over the images of a source.
class ImageRun {
 public:
  ImageRun(const ImageModel& model, const TextModel* text_model, const ImageSource& source,
           const EmbedOptions& options, const ProgressCallback& progress)
      : model_(model),
        text_model_(text_model),
        source_(source),
        options_(options),
        progress_(progress),
        folder_(options.output, identity(), source.shards()),
        total_(source, folder_) {}

  EmbedReport run() {
    const auto started = Clock::now();
    std::vector<size_t> missing;
    for (size_t shard = 0; shard < source_.shards(); ++shard) {
      if (const auto& record = folder_.records()[shard]) {
        ++report_.resumed;
        count(*record);
      } else {
        missing.push_back(shard);
      }
    }
    PixelPipeline pipeline(source_, missing, model_.preprocessing(), options_.pipeline);
    show_progress();
    for (PixelBatch batch; pipeline.next(batch);) {
      check_embed_stop();
      add(batch);
      if (batch.last) finish_shard(batch.shard);
      show_progress();
    }
    check_bad(/*at_end=*/true);
    folder_.finish(summary());
    report_.shards = static_cast<int64_t>(source_.shards());
    report_.seconds = std::chrono::duration<double>(Clock::now() - started).count();
    return report_;
  }

 private:
  // All that the bytes of the result depend on.
  Json identity() const {
    Json json = Json::object();
    json["format"] = kEmbeddingsFormat;
    json["image_tower"] = model_.fingerprint();
    json["text_tower"] = text_model_ ? Json(text_model_->fingerprint()) : Json();
    json["precision"] = to_string(model_.precision());
    json["preprocessing"] = model_.preprocessing().to_json();
    json["batch_size"] = options_.pipeline.batch_size;
    json["max_image_pixels"] = options_.pipeline.max_image_pixels;
    json["shards"] = source_.shards();
    json["input"] = source_.fingerprint();
    return json;
  }

  Json summary() const {
    Json json = Json::object();
    json["format"] = kEmbeddingsFormat;
    json["model"] = model_.path().string();
    json["image_tower"] = model_.fingerprint();
    if (text_model_) json["text_tower"] = text_model_->fingerprint();
    json["precision"] = to_string(model_.precision());
    json["width"] = model_.embedding_width();
    json["preprocessing"] = model_.preprocessing().to_json();
    json["images"] = report_.rows;
    json["bad_images"] = report_.bad.size();
    return json;
  }

  void count(const ShardRecord& record) {
    report_.rows += record.rows;
    report_.bad.insert(report_.bad.end(), record.bad.begin(), record.bad.end());
  }

  void add(PixelBatch& batch) {
    for (BadImage& bad : batch.bad) {
      if (logged_bad_++ < kLoggedBad) log().warn("bad image {}: {}", bad.id, bad.reason);
      if (logged_bad_ == kLoggedBad) log().warn("further bad images: see bad_images.jsonl");
      shard_bad_.push_back(std::move(bad));
    }
    check_bad(/*at_end=*/false);
    if (batch.samples.empty()) return;
    shard_rows_.push_back(model_.encode(batch.pixels));
    if (text_model_) shard_texts_.push_back(encode_captions(*text_model_, batch.samples));
    report_.computed += static_cast<int64_t>(batch.samples.size());
    std::move(batch.samples.begin(), batch.samples.end(), std::back_inserter(shard_samples_));
  }

  void finish_shard(size_t index) {
    EmbeddingShard shard;
    shard.input = source_.shard_name(index);
    const at::Tensor none = at::empty({0, model_.embedding_width()});
    shard.images = shard_rows_.empty() ? none : at::cat(shard_rows_);
    if (text_model_) shard.texts = shard_texts_.empty() ? none : at::cat(shard_texts_);
    shard.metadata = metadata_columns(std::exchange(shard_samples_, {}));
    shard.bad = std::exchange(shard_bad_, {});
    shard_rows_.clear();
    shard_texts_.clear();
    folder_.write(index, shard);
    const ShardRecord& record = *folder_.records()[index];
    count(record);
    total_.add(source_, index, record);
    ++finished_;
  }

  int64_t bad_count() const { return static_cast<int64_t>(report_.bad.size() + shard_bad_.size()); }
  int64_t seen() const {
    return report_.rows + static_cast<int64_t>(shard_samples_.size()) + bad_count();
  }

  void check_bad(bool at_end) const {
    const double share =
        static_cast<double>(bad_count()) / static_cast<double>(std::max<int64_t>(1, seen()));
    if (share <= options_.max_bad_fraction) return;
    if (!at_end && seen() < EmbedOptions::kEnoughImages) return;
    const BadImage& example = shard_bad_.empty() ? report_.bad.back() : shard_bad_.back();
    fail(ErrorKind::kData,
         "{} of {} images could not be read, more than the share {} that is allowed, for example "
         "{}: {}; repair them, or allow more with --max-bad-fraction",
         bad_count(), seen(), options_.max_bad_fraction, example.id, example.reason);
  }

  void show_progress() const {
    if (!progress_) return;
    const auto shards = static_cast<int64_t>(source_.shards());
    const int64_t shard = std::min(report_.resumed + finished_ + 1, shards);
    progress_({.label = "embed",
               .unit = "images",
               .done = seen(),
               .total = total_.images(),
               .detail = fmt::format("shard {} of {}, {} bad", shard, shards, bad_count())});
  }

  const ImageModel& model_;
  const TextModel* text_model_;
  const ImageSource& source_;
  const EmbedOptions& options_;
  const ProgressCallback& progress_;
  EmbeddingFolder folder_;
  Total total_;
  EmbedReport report_;
  int64_t finished_ = 0;  // Shards that this run has made.
  int logged_bad_ = 0;
  // Of the shard in work:
  std::vector<at::Tensor> shard_rows_, shard_texts_;
  std::vector<ImageSample> shard_samples_;
  std::vector<BadImage> shard_bad_;
};

}  // namespace

void EmbedOptions::validate() const {
  const auto check = [](bool good, const char* name, auto value, const char* expected) {
    if (!good) fail(ErrorKind::kUsage, "{} is {}, expected {}", name, value, expected);
  };
  check(pipeline.batch_size >= 1 && pipeline.batch_size <= 4096, "the batch size",
        pipeline.batch_size, "1 to 4096");
  check(pipeline.workers >= 1 && pipeline.workers <= 1024, "the number of workers",
        pipeline.workers, "1 to 1024");
  check(pipeline.max_image_pixels >= 1, "the largest number of pixels of an image",
        pipeline.max_image_pixels, "at least 1");
  check(max_bad_fraction >= 0 && max_bad_fraction <= 1, "the largest share of bad images",
        max_bad_fraction, "0 to 1");
  check(shard_size >= 1, "the shard size", shard_size, "at least 1");
}

EmbedReport embed_images(const ImageModel& model, const TextModel* text_model,
                         const ImageSource& source, const EmbedOptions& options,
                         const ProgressCallback& progress) {
  options.validate();
  return ImageRun(model, text_model, source, options, progress).run();
}

}  // namespace paraclip
