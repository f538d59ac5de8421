// Embeds pictures or texts for the comparisons of scripts/parity, without the rounding of embedding
// files:
//
//   dump_embeddings MODEL ACTIVATION fp32|bf16 images FILE...
//   dump_embeddings MODEL ACTIVATION fp32 texts FILE
//
// writes the unit rows, of the files or of the file's lines, to stdout: [n, width] of float32.
// ACTIVATION is "-" where the model's configuration says it.

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/image/decode.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace paraclip {
namespace {

at::Tensor embed_images(const ImageModel& model, const std::vector<std::string>& files) {
  const int64_t size = model.preprocessing().image_size;
  const auto area = static_cast<size_t>(3 * size * size);
  const at::Tensor pixels =
      at::empty({static_cast<int64_t>(files.size()), 3, size, size}, at::kFloat);
  for (size_t i = 0; i < files.size(); ++i) {
    const auto file = MappedFile::open(files[i]);
    preprocess(decode_image(file->bytes(), files[i], kDefaultMaxPixels), model.preprocessing(),
               {pixels.mutable_data_ptr<float>() + i * area, area});
  }
  return model.encode(pixels);
}

at::Tensor embed_lines(const TextModel& model, const std::string& file) {
  std::vector<std::string> texts;
  std::ifstream input(file);
  for (std::string line; std::getline(input, line);) texts.push_back(line);
  return model.encode(texts);
}

int run(const std::vector<std::string>& arguments) {
  ModelSource source(arguments[0]);
  if (arguments[1] != "-") source.activation = parse_activation(arguments[1], "ACTIVATION");
  const at::Tensor rows =
      arguments[3] == "images"
          ? embed_images(ImageModel::load(source, parse_precision(arguments[2])),
                         {arguments.begin() + 4, arguments.end()})
          : embed_lines(TextModel::load(source), arguments[4]);
  const at::Tensor whole = rows.contiguous();
  const auto count = static_cast<size_t>(whole.numel());
  return std::fwrite(whole.const_data_ptr<float>(), sizeof(float), count, stdout) == count ? 0 : 1;
}

}  // namespace
}  // namespace paraclip

int main(int argc, char** argv) {
  if (argc < 6) {
    fmt::print(stderr, "usage: dump_embeddings MODEL ACTIVATION PRECISION images|texts FILE...\n");
    return 2;
  }
  try {
    return paraclip::run({argv + 1, argv + argc});
  } catch (const paraclip::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
