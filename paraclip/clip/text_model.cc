#include "paraclip/clip/text_model.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/tensor_names.h"
#include "paraclip/io/safetensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <span>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// Copied as they are from a model to what is trained from it.
constexpr const char* kCompanionFiles[] = {"merges.txt",
                                           "vocab.json",
                                           "tokenizer.json",
                                           "tokenizer_config.json",
                                           "special_tokens_map.json",
                                           "preprocessor_config.json"};

TokenizerFamily tokenizer_family(ModelFamily family) {
  return family == ModelFamily::kHf ? TokenizerFamily::kHf : TokenizerFamily::kOpenClip;
}

}  // namespace

TextModel::TextModel(ModelFolder folder, std::vector<NamedTensor> tensors)
    : folder_(std::move(folder)),
      tokenizer_(Tokenizer::load(folder_.path, tokenizer_family(folder_.config.family))),
      tower_(folder_.config.text, std::move(tensors)) {
  if (tokenizer_.vocabulary_size() > config().text.vocabulary_size) {
    fail(ErrorKind::kData,
         "{}: the tokenizer has {} tokens, but {} says vocab_size {}; the files do not belong "
         "together",
         folder_.path.string(), tokenizer_.vocabulary_size(), config_file_name(config().family),
         config().text.vocabulary_size);
  }
}

TextModel TextModel::load(const fs::path& path) {
  ModelFolder folder = ModelFolder::open(path);
  std::vector<NamedTensor> tensors = read_text_tensors(folder);
  return TextModel(std::move(folder), std::move(tensors));
}

TextModel TextModel::initialize(const fs::path& path, uint64_t seed) {
  ModelFolder folder = ModelFolder::open(path);
  const TextConfig& config = folder.config.text;
  std::vector<NamedTensor> tensors = initial_tensors(text_tensor_names(config), config.width,
                                                     config.layers, config.logit_scale_init, seed);
  return TextModel(std::move(folder), std::move(tensors));
}

std::vector<int64_t> TextModel::tokenize(std::string_view text) const {
  std::vector<int64_t> ids = tokenizer_.encode(text, config().text.context_length).ids;
  ids.resize(pooled_length(ids, config().text));
  return ids;
}

at::Tensor TextModel::encode(const std::vector<std::string>& texts, int64_t batch_tokens) const {
  std::vector<std::vector<int64_t>> ids;
  ids.reserve(texts.size());
  for (const std::string& text : texts) ids.push_back(tokenize(text));
  const at::NoGradGuard no_grad;
  const auto count = static_cast<int64_t>(ids.size());
  at::Tensor result = at::empty({count, config().text.projection_dim}, at::kFloat);
  for (size_t begin = 0; begin < ids.size();) {
    size_t end = begin;
    int64_t tokens = 0;
    while (end < ids.size() && (end == begin || tokens < batch_tokens)) {
      tokens += static_cast<int64_t>(ids[end++].size());
    }
    const PackedText packed = pack(std::span(ids).subspan(begin, end - begin), config().text);
    result.slice(0, static_cast<int64_t>(begin), static_cast<int64_t>(end))
        .copy_(normalize_rows(tower_.forward(packed)));
    begin = end;
  }
  return result;
}

void TextModel::save(const fs::path& target, const VisionTower* trained_vision) const {
  std::vector<NamedTensor> vision;
  if (trained_vision != nullptr) {
    vision = to_file_tensors(vision_tensor_names(*config().vision), trained_vision->parameters(),
                             config().family);
  } else if (config().vision) {
    vision = view_vision_tensors(folder_);
  }
  write(target, vision, config().json);
}

void TextModel::save_text_only(const fs::path& target) const {
  if (config().family != ModelFamily::kHf) {
    fail(ErrorKind::kUsage, "{} is an open_clip model, which cannot be saved without image tower",
         folder_.path.string());
  }
  write(target, {}, config().text_only_json());
}

void TextModel::write(const fs::path& target, const std::vector<NamedTensor>& vision,
                      Json json) const {
  const ModelFamily family = config().family;
  std::vector<NamedTensor> tensors =
      to_file_tensors(text_tensor_names(config().text), tower_.parameters(), family);
  tensors.insert(tensors.end(), vision.begin(), vision.end());
  write_safetensors(target / weights_file_name(family), tensors, {{"format", "pt"}});
  if (family == ModelFamily::kHf) {
    json.erase("dtype");
    json["torch_dtype"] = "float32";
  }
  write_file_atomic(target / config_file_name(family), dump_json(json, 2) + "\n");
  for (const char* name : kCompanionFiles) {
    const fs::path source = folder_.path / name;
    if (fs::exists(source)) write_file_atomic(target / name, read_file(source));
  }
}

std::string TextModel::fingerprint() const {
  return fingerprint_of(tower_.parameters(), to_string(config().text.activation));
}

}  // namespace paraclip
