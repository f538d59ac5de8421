#include "paraclip/clip/model_files.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/config_json.h"

#include <span>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// The best first.
std::span<const char* const> weights_names(ModelFamily family) {
  static constexpr const char* kHf[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin", "pytorch_model.bin.index.json"};
  static constexpr const char* kOpenClip[] = {"open_clip_model.safetensors",
                                              "open_clip_pytorch_model.bin"};
  if (family == ModelFamily::kHf) return kHf;
  return kOpenClip;
}

std::optional<fs::path> find_weights(const fs::path& folder, ModelFamily family) {
  for (const char* name : weights_names(family)) {
    if (fs::exists(folder / name)) return folder / name;
  }
  return std::nullopt;
}

ClipConfig read_config(const fs::path& file, ModelFamily family) {
  Json json = read_json(file);
  return family == ModelFamily::kHf ? ClipConfig::parse_hf(std::move(json), file.string())
                                    : ClipConfig::parse_open_clip(std::move(json), file.string());
}

// Folders of the hub can hold another thing's config.json beside open_clip's files.
bool is_another_models(const fs::path& config, ModelFamily family) {
  if (family != ModelFamily::kHf) return false;
  const std::string type = json_string_or(read_json(config), "model_type", "", config.string());
  return type != "clip" && type != "clip_text_model";
}

std::optional<ModelFamily> family_of_folder(const fs::path& folder) {
  std::optional<ModelFamily> found;
  for (const ModelFamily family : {ModelFamily::kHf, ModelFamily::kOpenClip}) {
    const fs::path config = folder / config_file_name(family);
    if (!fs::exists(config)) continue;
    if (find_weights(folder, family) && !is_another_models(config, family)) return family;
    if (!found || family == ModelFamily::kOpenClip) found = family;
  }
  return found;
}

ModelFamily family_of_names(const ModelWeights& weights) {
  return weights.contains("text_model.embeddings.token_embedding.weight") ? ModelFamily::kHf
                                                                          : ModelFamily::kOpenClip;
}

void check_activation(const ModelSource& source, const ClipConfig& config,
                      const std::string& said_by) {
  const Activation own = config.vision ? config.vision->activation : config.text.activation;
  if (!source.activation || *source.activation == own) return;
  fail(ErrorKind::kUsage,
       "{}: the activation was given as {}, but {} says {}; leave it out, or, if you are sure, "
       "correct what is written there",
       source.path.string(), to_string(*source.activation), said_by, to_string(own));
}

// What would have been the configuration of weights that came without.
Json written_config(const ClipConfig& config) {
  // The end token that transformers takes for "the highest id".
  if (config.family == ModelFamily::kHf) return hf_config_json(config, {.start = 0, .end = 2});
  Preprocessing preprocessing;
  preprocessing.image_size = static_cast<int>(config.vision->image_size);
  preprocessing.resize_size = preprocessing.image_size;
  return open_clip_config_json(config, SpecialTokens(), preprocessing);
}

ModelFiles open_folder(const ModelSource& source) {
  const fs::path& folder = source.path;
  const auto family = family_of_folder(folder);
  if (!family) {
    fail(ErrorKind::kIo,
         "{} holds neither {} nor {}; expected the folder of a CLIP model, or give its file of "
         "weights",
         folder.string(), config_file_name(ModelFamily::kHf),
         config_file_name(ModelFamily::kOpenClip));
  }
  ModelFiles files{folder, folder, {}, config_file_name(*family), {}};
  const fs::path config = folder / files.config_source;
  files.config = read_config(config, *family);
  if (const auto weights = find_weights(folder, *family)) {
    files.weights.emplace(TensorFile::open(*weights));
  }
  check_activation(source, files.config, config.string());
  return files;
}

ModelFiles open_file(const ModelSource& source) {
  ModelFiles files{source.path, source.path.parent_path(), {}, "", {}};
  files.weights.emplace(TensorFile::open(source.path));
  const ModelFamily family = family_of_names(*files.weights);
  const fs::path config = files.folder / config_file_name(family);
  if (fs::exists(config)) {
    files.config_source = config_file_name(family);
    files.config = read_config(config, family);
    check_activation(source, files.config, config.string());
    return files;
  }
  files.config_source = kOwnShapes;
  // What is wrong with the weights comes before what is missing beside them.
  files.config = infer_config(*files.weights, source.activation.value_or(Activation::kQuickGelu));
  const bool archive = files.weights->file().format() == TensorFormat::kTorchScript;
  if (!archive && !source.activation) {
    fail(ErrorKind::kUsage,
         "{} has weights without a configuration, which do not tell the activation: give "
         "--activation quick_gelu (models of OpenAI, LAION-400M, MetaCLIP, DFN, LaCLIP) or gelu "
         "(LAION-2B, DataComp), or put the model's {} beside it",
         source.path.string(), config_file_name(family));
  }
  if (files.config.vision) files.config.json = written_config(files.config);
  if (archive && source.activation == Activation::kGelu) {
    fail(ErrorKind::kUsage,
         "{} is a TorchScript archive, as OpenAI published CLIP, whose activation is quick_gelu; "
         "gelu was given",
         source.path.string());
  }
  return files;
}

}  // namespace

std::string canonical_name(std::string_view name) {
  for (bool stripped = true; stripped;) {
    stripped = false;
    for (const std::string_view prefix : {"module.", "_orig_mod.", "text."}) {
      if (!name.starts_with(prefix)) continue;
      name.remove_prefix(prefix.size());
      stripped = true;
    }
  }
  return std::string(name);
}

ModelWeights::ModelWeights(TensorFile file) : file_(std::move(file)) {
  for (const auto& [name, entry] : file_.entries()) {
    const auto [place, added] = stored_.emplace(canonical_name(name), name);
    if (added) continue;
    fail(ErrorKind::kData,
         "{}: '{}' and '{}' are the same tensor of a CLIP model; expected one of them", path(),
         place->second, name);
  }
}

std::vector<std::string> ModelWeights::names() const {
  std::vector<std::string> names;
  for (const auto& entry : stored_) names.push_back(entry.first);
  return names;
}

const TensorFile::Entry* ModelWeights::entry(std::string_view name) const {
  const auto found = stored_.find(canonical_name(name));
  return found == stored_.end() ? nullptr : &file_.entries().at(found->second);
}

at::Tensor ModelWeights::tensor(std::string_view name) const {
  const auto found = stored_.find(canonical_name(name));
  return file_.tensor(found == stored_.end() ? std::string(name) : found->second);
}

const char* config_file_name(ModelFamily family) {
  return family == ModelFamily::kHf ? "config.json" : "open_clip_config.json";
}

const char* weights_file_name(ModelFamily family) { return weights_names(family).front(); }

ModelFiles ModelFiles::open(const ModelSource& source) {
  if (!fs::exists(source.path)) {
    fail(ErrorKind::kIo,
         "cannot load the model {}: there is no such folder or file; expected a folder of HF's or "
         "open_clip's form, a file of weights, or hf:ORGANISATION/NAME",
         source.path.string());
  }
  ModelFiles files = fs::is_directory(source.path) ? open_folder(source) : open_file(source);
  if (files.weights && files.config.text.architecture == TextArchitecture::kRoberta) {
    infer_roberta_sizes(*files.weights, files.config.text);
  }
  return files;
}

const ModelWeights& ModelFiles::need_weights() const {
  if (weights) return *weights;
  fail(ErrorKind::kIo, "{} holds no {}; expected the folder of a CLIP model", path.string(),
       weights_file_name(config.family));
}

const VisionConfig& ModelFiles::need_vision() const {
  if (config.vision) return *config.vision;
  if (config.other_vision.empty()) {
    fail(ErrorKind::kData,
         "{} holds a text tower alone, expected a CLIP model with its image tower", path.string());
  }
  fail(ErrorKind::kData,
       "the image tower of {} is {}, which is not supported; expected CLIP's ViT. Embeddings of "
       "images made with it elsewhere can be used with its text tower",
       path.string(), config.other_vision);
}

}  // namespace paraclip
