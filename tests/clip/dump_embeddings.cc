// Embeds pictures for scripts/compare_image_embeddings.py without the rounding of embedding files:
//
//   dump_image_embeddings MODEL fp32|bf16 FILE...
//
// writes the unit rows to stdout, [files, width] of float32.

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/image/decode.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  using namespace paraclip;
  if (argc < 4) {
    fmt::print(stderr, "usage: dump_image_embeddings MODEL fp32|bf16 FILE...\n");
    return 2;
  }
  try {
    const ImageModel model = ImageModel::load(argv[1], parse_precision(argv[2]));
    const std::vector<std::string> files(argv + 3, argv + argc);
    const int64_t size = model.preprocessing().image_size;
    const auto area = static_cast<size_t>(3 * size * size);
    const at::Tensor pixels =
        at::empty({static_cast<int64_t>(files.size()), 3, size, size}, at::kFloat);
    for (size_t i = 0; i < files.size(); ++i) {
      const auto file = MappedFile::open(files[i]);
      preprocess(decode_image(file->bytes(), files[i], kDefaultMaxPixels), model.preprocessing(),
                 {pixels.mutable_data_ptr<float>() + i * area, area});
    }
    const at::Tensor rows = model.encode(pixels).contiguous();
    std::fwrite(rows.const_data_ptr<float>(), sizeof(float), static_cast<size_t>(rows.numel()),
                stdout);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
