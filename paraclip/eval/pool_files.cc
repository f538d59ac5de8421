#include "paraclip/eval/pool_files.h"

#include "paraclip/base/error.h"

#include <fmt/ranges.h>

namespace paraclip {

namespace fs = std::filesystem;

Numbering images_of(const CaptionFile& file) {
  Numbering images;
  for (const ImageCaption& caption : file.captions) images.number(caption.image_id);
  return images;
}

void add_captions(const CaptionFile& file, const Numbering& pool, const fs::path& path,
                  PoolTask& task) {
  int64_t left_out = 0;
  for (const ImageCaption& caption : file.captions) {
    if (const auto image = pool.find(caption.image_id)) {
      task.captions.push_back({caption.caption, *image});
    } else {
      ++left_out;
    }
  }
  if (task.captions.empty()) {
    fail(ErrorKind::kData,
         "{}: none of the {} captions is of an image of the pool, {}; expected "
         "the same ids, such as {}",
         path.string(), file.captions.size(), task.pool, pool.keys().front());
  }
  task.counts.emplace_back("captions_left_out", left_out);
}

bool have_files(const std::vector<fs::path>& files, const std::string& remedy,
                LoadedBenchmark& loaded) {
  std::vector<std::string> missing;
  for (const fs::path& file : files) {
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored)) missing.push_back(file.string());
  }
  if (missing.empty()) return true;
  loaded.lacks.push_back({"all metrics", fmt::format("{}", fmt::join(missing, ", ")), remedy});
  return false;
}

}  // namespace paraclip
