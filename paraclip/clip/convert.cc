#include "paraclip/clip/convert.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/companions.h"
#include "paraclip/clip/config_json.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/model_card.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/safetensors.h"

#include <ATen/ATen.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

void check_form(const ModelFiles& files, ModelFamily target) {
  const ClipConfig& config = files.config;
  if (config.json.is_null()) {
    fail(ErrorKind::kUsage,
         "the image tower of {} is {} and no configuration came with it: there is no form to write "
         "the whole model in",
         files.path.string(), config.other_vision);
  }
  if (config.family == target || config.vision) return;
  fail(ErrorKind::kUsage, "{} cannot be written in the form of {}: {}", files.path.string(),
       to_string(target),
       config.other_vision.empty() ? "it holds a text tower alone"
                                   : "its image tower is " + config.other_vision);
}

Json config_json(const ModelFiles& files, ModelFamily target) {
  const ClipConfig& config = files.config;
  if (config.family == target) return config.json;
  const Tokenizer tokenizer = load_tokenizer(files);
  const SpecialTokens tokens{tokenizer.start_token(), tokenizer.end_token()};
  if (target == ModelFamily::kHf) return hf_config_json(config, tokens);
  return open_clip_config_json(config, tokens, read_preprocessing(files));
}

std::vector<NamedTensor> converted_tensors(const ModelFiles& files, ModelFamily target) {
  std::vector<NamedTensor> tensors =
      convert_tensors(files, text_tensor_names(files.config.text), target);
  const std::vector<NamedTensor> vision =
      files.config.vision
          ? convert_tensors(files, vision_tensor_names(*files.config.vision), target)
          : view_vision_tensors(files);
  tensors.insert(tensors.end(), vision.begin(), vision.end());
  return tensors;
}

std::string torch_name(at::ScalarType type) {
  if (type == at::kHalf) return "float16";
  if (type == at::kBFloat16) return "bfloat16";
  return type == at::kDouble ? "float64" : "float32";
}

ModelCard card(const ModelFiles& files, ModelFamily target, const fs::path& output) {
  ModelCard card;
  card.title = fs::absolute(output).lexically_normal().filename().string();
  card.summary = fmt::format(
      "A CLIP model ({}), converted by paraclip from {} in {}'s form ({}). Names and layout "
      "changed, "
      "no number did.",
      architecture_name(files.config), files.path.filename().string(),
      to_string(files.config.family), to_string(files.need_weights().file().format()));
  card.config = files.config;
  card.config.family = target;
  card.text_only = !files.config.vision && files.config.other_vision.empty();
  std::vector<std::string> fingerprints = {
      text_fingerprint(files.config.text, read_text_tensors(files))};
  if (files.config.vision) {
    fingerprints.push_back(vision_fingerprint(*files.config.vision, read_vision_tensors(files)));
  }
  card.tables.push_back(architecture_table(files.config, fingerprints));
  return card;
}

}  // namespace

void convert_model(const ModelFiles& files, ModelFamily target, const fs::path& output) {
  check_form(files, target);
  check_tensors(files);
  if (fs::exists(output)) {
    fail(ErrorKind::kUsage, "{} exists; choose a folder that does not", output.string());
  }
  Json json = config_json(files, target);
  const std::vector<NamedTensor> tensors = converted_tensors(files, target);
  if (target == ModelFamily::kHf) {
    json.erase("dtype");
    json["torch_dtype"] = torch_name(tensors.front().second.scalar_type());
  }
  make_directories(fs::absolute(output).parent_path());
  AtomicDirectory folder(output);
  write_safetensors(folder.temporary() / weights_file_name(target), tensors, {{"format", "pt"}});
  write_file_atomic(folder.temporary() / config_file_name(target), dump_json(json, 2) + "\n");
  write_companions(files, folder.temporary(), target);
  write_file_atomic(folder.temporary() / "README.md", card(files, target, output).to_markdown());
  folder.commit();
}

}  // namespace paraclip
