#include "paraclip/embed/image_source.h"

#include "paraclip/base/error.h"
#include "paraclip/embed/file_source.h"
#include "paraclip/embed/shard_list.h"
#include "paraclip/embed/tar_source.h"

#include <algorithm>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

bool is_tar_name(std::string_view name) {
  return name.ends_with(".tar") || name.ends_with(".tar.gz") || name.ends_with(".tgz");
}

std::vector<fs::path> tars_in(const fs::path& folder) {
  std::vector<fs::path> tars;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (is_tar_name(entry.path().filename().string())) tars.push_back(entry.path());
  }
  if (error)
    fail(ErrorKind::kIo, "cannot read the folder {}: {}", folder.string(), error.message());
  std::sort(tars.begin(), tars.end());
  return tars;
}

}  // namespace

void ImageSourceOptions::validate() const {
  if (split_keys(image_key).empty()) {
    fail(ErrorKind::kUsage, "the image key is empty, expected suffixes such as jpg;png");
  }
  if (shard_size < 1) {
    fail(ErrorKind::kUsage, "the shard size is {}, expected at least 1", shard_size);
  }
}

std::unique_ptr<ImageSource> open_image_source(const std::string& images,
                                               const ImageSourceOptions& options) {
  options.validate();
  if (fs::is_directory(images)) {
    std::vector<fs::path> tars = tars_in(images);
    return tars.empty() ? open_folder_source(images, options.shard_size)
                        : open_tar_source(std::move(tars), options);
  }
  const std::vector<std::string> names =
      fs::exists(images) ? std::vector{images} : expand_shards(images);
  if (names.size() > 1 || is_tar_name(images)) {
    return open_tar_source({names.begin(), names.end()}, options);
  }
  return open_list_source(images, options.shard_size);
}

}  // namespace paraclip
