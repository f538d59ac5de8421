#include "cli/demo_report_parts.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"

namespace paraclip::cli {

namespace fs = std::filesystem;
using html::Html;

const Json& part(const Json& object, const std::string& key, Json::value_t type,
                 const fs::path& file) {
  if (!object.is_object() || !object.contains(key) || object[key].type() != type ||
      object[key].empty()) {
    fail(ErrorKind::kData, "cannot write the report: {} has no \"{}\"; run the demo again",
         file.string(), key);
  }
  return object[key];
}

Html show_image(html::PictureBook& pictures, const fs::path& images, const std::string& id,
                std::string_view description) {
  if (id.empty() || fs::path(id).filename() != id) {
    fail(ErrorKind::kData, "cannot show the image \"{}\" of {}: its id is not a file name", id,
         images.string());
  }
  const fs::path file = images / (id.ends_with(".jpg") ? id : id + ".jpg");
  const std::string key = file.string();
  if (!pictures.has(key)) pictures.add(key, read_file(file), key);
  return pictures.show(key, description);
}

}  // namespace paraclip::cli
