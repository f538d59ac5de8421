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

Preprocessing read_preprocessing(const ModelFolder& folder) {
  const bool hf = folder.config.family == ModelFamily::kHf;
  const fs::path file =
      folder.path / (hf ? kHfPreprocessing : config_file_name(ModelFamily::kOpenClip));
  const Preprocessing preprocessing =
      hf ? Preprocessing::from_hf(read_json(file), file.string())
         : Preprocessing::from_open_clip(folder.config.json, file.string());
  if (folder.config.vision && preprocessing.image_size != folder.config.vision->image_size) {
    fail(ErrorKind::kData,
         "{} makes images of {} pixels, but the image tower takes {}; the files do not belong "
         "together",
         file.string(), preprocessing.image_size, folder.config.vision->image_size);
  }
  return preprocessing;
}

std::string vision_fingerprint(const VisionConfig& config,
                               const std::vector<NamedTensor>& tensors) {
  return fingerprint_of(tensors, fmt::format("{} {}", to_string(config.activation), config.heads));
}

ImageModel::ImageModel(const ModelFolder& folder, const std::vector<NamedTensor>& tensors,
                       Precision precision)
    : folder_(folder.path),
      preprocessing_(read_preprocessing(folder)),
      precision_(precision),
      width_(folder.config.vision->projection_dim),
      fingerprint_(vision_fingerprint(*folder.config.vision, tensors)),
      tower_(*folder.config.vision, tensors, precision) {}

ImageModel ImageModel::load(const fs::path& path, Precision precision) {
  const ModelFolder folder = ModelFolder::open(path);
  return ImageModel(folder, read_vision_tensors(folder), precision);
}

at::Tensor ImageModel::encode(const at::Tensor& pixels) const {
  return normalize_rows(tower_.forward(pixels));
}

}  // namespace paraclip
