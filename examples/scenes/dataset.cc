#include "examples/scenes/dataset.h"

#include "examples/scenes/aro.h"
#include "examples/scenes/draw.h"
#include "examples/scenes/random.h"
#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/signals.h"
#include "paraclip/image/encode.h"
#include "paraclip/io/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace paraclip::scenes {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kStylePurpose = 5;
constexpr uint64_t kDamagePurpose = 6;

// Cuts a JPEG short, or writes over its beginning or its middle.
void damage(std::string& jpeg, Random& random) {
  const size_t kind = random.below(3);
  if (kind == 0) {
    jpeg.resize(jpeg.size() * (5 + random.below(60)) / 100);
    return;
  }
  const size_t begin = kind == 1 ? 0 : 2;
  const size_t end = std::min(jpeg.size(), begin + 64 + random.below(600));
  for (size_t i = begin; i < end; ++i) jpeg[i] = static_cast<char>(random.below(256));
}

struct Sample {
  std::string id;
  std::string jpeg;
  std::vector<std::string> captions;
  Json record;
};

void write_plainly(const fs::path& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file.flush()) fail(ErrorKind::kIo, "cannot write {}: is the disk full?", path.string());
}

// The files of one data set, inside the folder `folder`, which becomes durable as a whole.
class Writer {
 public:
  Writer(fs::path folder, const DatasetOptions& options)
      : folder_(std::move(folder)), options_(options) {
    if (options_.format == DatasetFormat::kFolder) make_directories(folder_ / "images");
  }

  void add(Sample sample) {
    if (options_.format == DatasetFormat::kFolder) {
      write_plainly(folder_ / "images" / (sample.id + ".jpg"), sample.jpeg);
      for (const std::string& caption : sample.captions)
        captions_ += fmt::format("{}.jpg\t{}\n", sample.id, caption);
      records_ += dump_json(sample.record) + "\n";
    } else {
      add_to_shard(sample);
    }
  }

  void finish() {
    if (shard_) shard_->commit();
    if (options_.format == DatasetFormat::kFolder) {
      write_plainly(folder_ / "captions.tsv", "image_id\tcaption\n" + captions_);
      write_plainly(folder_ / "scenes.jsonl", records_);
    }
  }

 private:
  void add_to_shard(Sample& sample) {
    if (in_shard_ == options_.shard_size) {
      shard_->commit();
      shard_.reset();
      in_shard_ = 0;
    }
    if (!shard_) shard_.emplace(folder_ / fmt::format("{:05}.tar", shards_++));
    sample.record["captions"] = sample.captions;
    shard_->add(sample.id + ".jpg", sample.jpeg);
    shard_->add(sample.id + ".txt", sample.captions.front());
    shard_->add(sample.id + ".json", dump_json(sample.record));
    ++in_shard_;
  }

  fs::path folder_;
  const DatasetOptions& options_;
  std::string captions_;
  std::string records_;
  std::optional<TarWriter> shard_;
  int64_t in_shard_ = 0;
  int64_t shards_ = 0;
};

void check_output(const fs::path& output) {
  std::error_code ignored;
  if (!fs::exists(output, ignored)) return;
  if (!fs::is_directory(output, ignored) || !fs::is_empty(output, ignored)) {
    fail(ErrorKind::kUsage,
         "cannot write scenes to {}: it exists and is not an empty folder; name another, or remove "
         "it first",
         output.string());
  }
}

}  // namespace

void DatasetOptions::validate() const {
  const auto need = [](bool good, std::string_view option, auto value, std::string_view expected) {
    if (!good) fail(ErrorKind::kUsage, "--{} is {}; expected {}", option, value, expected);
  };
  if (output.empty()) fail(ErrorKind::kUsage, "no output folder is given");
  need(count > 0, "count", count, "at least 1");
  need(side >= 16 && side <= 2048, "size", side, "16 to 2048");
  need(quality >= 1 && quality <= 100, "quality", quality, "1 to 100");
  need(captions_per_image > 0, "captions-per-image", captions_per_image, "at least 1");
  need(plain_share >= 0 && plain_share <= 1, "plain-share", plain_share, "0 to 1");
  need(shard_size > 0, "shard-size", shard_size, "at least 1");
  need(corrupt_fraction >= 0 && corrupt_fraction <= 1, "corrupt-fraction", corrupt_fraction,
       "0 to 1");
  if (aro && format != DatasetFormat::kFolder)
    fail(ErrorKind::kUsage, "--aro needs --format folder: its cases name files of the folder");
}

std::vector<std::string> captions_for(const Scene& scene, const DatasetOptions& options) {
  std::vector<std::string> captions;
  Random random(scene_key(scene, kStylePurpose));
  for (int64_t i = 0; i < options.captions_per_image; ++i) {
    const bool plain = random.chance(options.plain_share);
    const CaptionStyle style =
        options.style.value_or(plain ? CaptionStyle::kPlain : CaptionStyle::kWeb);
    captions.push_back(write_caption(scene, style, static_cast<uint64_t>(i)));
  }
  return captions;
}

DatasetCounts write_dataset(const DatasetOptions& options, const ProgressCallback& progress) {
  options.validate();
  check_output(options.output);
  AtomicDirectory folder(options.output);
  Writer writer(folder.temporary(), options);
  DatasetCounts counts;
  std::string corrupt;
  Json relations = Json::array();
  Json attributions = Json::array();
  for (int64_t i = 0; i < options.count; ++i) {
    if (stop_requested()) fail(ErrorKind::kInterrupted, "stopped after {} scenes", i);
    const Scene scene = make_scene(options.seed, options.first + static_cast<uint64_t>(i));
    Sample sample{.id = scene.id(),
                  .jpeg = encode_jpeg(draw_scene(scene, options.side), options.quality),
                  .captions = captions_for(scene, options),
                  .record = scene.to_json()};
    Random random(scene_key(scene, kDamagePurpose));
    if (random.chance(options.corrupt_fraction)) {
      damage(sample.jpeg, random);
      corrupt += sample.id + "\n";
      ++counts.corrupt;
    }
    if (options.aro) {
      add_relation_cases(scene, options.side, relations);
      add_attribution_cases(scene, options.side, attributions);
    }
    ++counts.scenes;
    counts.captions += static_cast<int64_t>(sample.captions.size());
    writer.add(std::move(sample));
    if (progress)
      progress(
          {.label = "draw", .unit = "scenes", .done = i + 1, .total = options.count, .detail = ""});
  }
  writer.finish();
  if (options.corrupt_fraction > 0) write_plainly(folder.temporary() / "corrupt.txt", corrupt);
  if (options.aro) {
    counts.relation_cases = static_cast<int64_t>(relations.size());
    counts.attribution_cases = static_cast<int64_t>(attributions.size());
    write_plainly(folder.temporary() / "visual_genome_relation.json", dump_json(relations));
    write_plainly(folder.temporary() / "visual_genome_attribution.json", dump_json(attributions));
  }
  folder.commit(Flush::kFileSystem);
  return counts;
}

}  // namespace paraclip::scenes
