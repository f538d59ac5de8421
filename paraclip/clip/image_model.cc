#include "paraclip/clip/image_model.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/text_tower.h"

#include <ATen/ATen.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHfPreprocessing = "preprocessor_config.json";

}  // namespace

Precision parse_precision(std::string_view name) {
  if (name == "fp32") return Precision::kFp32;
  if (name == "bf16") return Precision::kBf16;
  fail(ErrorKind::kUsage, "the precision \"{}\" is not known, expected fp32 or bf16", name);
}

std::string to_string(Precision precision) {
  return precision == Precision::kFp32 ? "fp32" : "bf16";
}

Preprocessing read_preprocessing(const ModelFiles& files) {
  const bool hf = files.config.family == ModelFamily::kHf;
  const fs::path file =
      files.folder / (hf ? kHfPreprocessing : config_file_name(ModelFamily::kOpenClip));
  Preprocessing preprocessing;
  if (!hf) {
    preprocessing = Preprocessing::from_open_clip(files.config.json, file.string());
  } else if (files.inferred() && !fs::exists(file)) {
    preprocessing.image_size = static_cast<int>(files.need_vision().image_size);
    preprocessing.resize_size = preprocessing.image_size;
  } else {
    preprocessing = Preprocessing::from_hf(read_json(file), file.string());
  }
  if (files.config.vision && preprocessing.image_size != files.config.vision->image_size) {
    fail(ErrorKind::kData,
         "{} makes images of {} pixels, but the image tower takes {}; the files do not belong "
         "together",
         file.string(), preprocessing.image_size, files.config.vision->image_size);
  }
  return preprocessing;
}

std::string vision_fingerprint(const VisionConfig& config,
                               const std::vector<NamedTensor>& tensors) {
  return fingerprint_of(tensors, fmt::format("{} {}", to_string(config.activation), config.heads));
}

ImageModel::ImageModel(const ModelFiles& files, std::vector<NamedTensor> tensors,
                       Precision precision)
    : path_(files.path),
      preprocessing_(read_preprocessing(files)),
      precision_(precision),
      width_(files.config.vision->projection_dim),
      fingerprint_(vision_fingerprint(*files.config.vision, tensors)),
      tower_(*files.config.vision, std::move(tensors), precision) {}

ImageModel ImageModel::load(const ModelSource& source, Precision precision) {
  const ModelFiles files = ModelFiles::open(source);
  return ImageModel(files, read_vision_tensors(files), precision);
}

at::Tensor ImageModel::encode(const at::Tensor& pixels) const {
  return normalize_rows(tower_.forward(pixels));
}

}  // namespace paraclip
