// Retrieval of images by their captions and of captions by their images: COCO, Flickr30k, Flickr8k.

#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/pool_files.h"
#include "paraclip/eval/registry.h"
#include "paraclip/eval/retrieval_data.h"

#include <fmt/format.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// Recall on all captions of `path`. The images are `folder`'s, in the subfolders that the file
// tells; `name` goes before the metrics.
LoadedBenchmark load_captions(const BenchmarkData& data, const fs::path& path,
                              const std::string& name, const fs::path& folder,
                              const std::string& fetch) {
  const CaptionFile file = read_caption_file(path);
  const Numbering pool = images_of(file);
  PoolTask task;
  task.pool = fmt::format("the images of {} ({})", path.filename().string(), file.form);
  task.caption_name = name;
  task.caption_source = fmt::format("{} ({})", path.filename().string(), file.form);
  task.image_remedy = image_remedy(data, folder, fetch);
  for (const ImageCaption& caption : file.captions) {
    if (*pool.find(caption.image_id) < static_cast<int64_t>(task.images.size())) continue;
    task.images.push_back(
        {caption.image_id, folder / caption.folder / caption.image_id, std::nullopt});
  }
  add_captions(file, pool, path, task);
  return make_pool_benchmark(data, std::move(task));
}

}  // namespace

LoadedBenchmark load_retrieval_coco(const BenchmarkData& data) {
  const fs::path karpathy = data.folder / "karpathy/dataset_coco.json";
  const fs::path val2017 = data.folder / "coco_captions_val2017/captions_val2017.json";
  if (is_file(karpathy))
    return load_captions(data, karpathy, "karpathy_test", data.folder / "coco", "coco_val2014");
  LoadedBenchmark loaded;
  const std::string remedy = fmt::format(
      "paraclip data fetch coco_captions_val2017; for the split that most papers use, paraclip "
      "data "
      "fetch karpathy, which gives {}",
      karpathy.string());
  if (!have_files({val2017}, remedy, loaded)) return loaded;
  return load_captions(data, val2017, "val2017", data.folder / "coco/val2017", "coco_val2017");
}

LoadedBenchmark load_retrieval_flickr30k(const BenchmarkData& data) {
  const fs::path karpathy = data.folder / "karpathy/dataset_flickr30k.json";
  const fs::path csv = data.folder / "flickr30k/captions.csv";
  const fs::path images = data.folder / "flickr30k/images";
  if (is_file(karpathy)) return load_captions(data, karpathy, "karpathy_test", images, "");
  LoadedBenchmark loaded;
  const std::string remedy = fmt::format(
      "paraclip data fetch flickr30k, which gives {}, or put the test captions there (CSV with the "
      "columns image, caption)",
      karpathy.string());
  if (!have_files({csv}, remedy, loaded)) return loaded;
  return load_captions(data, csv, "csv", images, "");
}

LoadedBenchmark load_retrieval_flickr8k(const BenchmarkData& data) {
  const fs::path folder = data.folder / "flickr8k";
  const fs::path list = folder / "dev.txt", captions = folder / "captions_dev.tsv";
  LoadedBenchmark loaded;
  if (!have_files({list, captions}, "put Flickr8k's dev split there", loaded)) return loaded;
  const Numbering pool = read_image_list(list);
  PoolTask task;
  task.pool = "the dev split of Flickr8k (dev.txt)";
  task.caption_source = "captions_dev.tsv";
  task.image_remedy = image_remedy(data, folder / "images/dev", "");
  for (const std::string& id : pool.keys())
    task.images.push_back({id, folder / "images/dev" / id, std::nullopt});
  add_captions(read_caption_file(captions), pool, captions, task);
  return make_pool_benchmark(data, std::move(task));
}

}  // namespace paraclip
