#include "paraclip/eval/benchmark.h"
#include "paraclip/io/image_embeddings.h"

#include <system_error>

namespace paraclip {

bool BenchmarkData::has_image(const EvalImage& image) const {
  if (embeddings != nullptr && !image.crop && embeddings->row(image.id)) return true;
  std::error_code ignored;
  return image_tower && std::filesystem::is_regular_file(image.file, ignored);
}

}  // namespace paraclip
