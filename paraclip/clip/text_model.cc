#include "paraclip/clip/text_model.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/companions.h"
#include "paraclip/clip/config_json.h"
#include "paraclip/clip/tensor_names.h"
#include "paraclip/io/safetensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <span>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

TokenizerFamily tokenizer_family(const ClipConfig& config) {
  if (config.text.architecture == TextArchitecture::kRoberta) return TokenizerFamily::kRoberta;
  return config.family == ModelFamily::kHf ? TokenizerFamily::kHf : TokenizerFamily::kOpenClip;
}

}  // namespace

Tokenizer load_tokenizer(const ModelFiles& files) {
  Tokenizer tokenizer = Tokenizer::load(files.folder, tokenizer_family(files.config));
  if (tokenizer.vocabulary_size() <= files.config.text.vocabulary_size) return tokenizer;
  fail(
      ErrorKind::kData,
      "{}: the tokenizer has {} tokens, but the model's vocabulary has {}; the files do not belong "
      "together",
      files.folder.string(), tokenizer.vocabulary_size(), files.config.text.vocabulary_size);
}

TextModel::TextModel(ModelFiles files, std::vector<NamedTensor> tensors)
    : files_(std::move(files)),
      tokenizer_(load_tokenizer(files_)),
      tower_(files_.config.text, std::move(tensors)) {}

TextModel TextModel::load(const ModelSource& source) {
  ModelFiles files = ModelFiles::open(source);
  std::vector<NamedTensor> tensors = read_text_tensors(files);
  return TextModel(std::move(files), std::move(tensors));
}

TextModel TextModel::initialize(const ModelSource& source, uint64_t seed) {
  ModelFiles files = ModelFiles::open(source);
  const TextConfig& config = files.config.text;
  std::vector<NamedTensor> tensors = initial_tensors(text_tensor_names(config), config.width,
                                                     config.layers, config.logit_scale_init, seed);
  return TextModel(std::move(files), std::move(tensors));
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

void TextModel::check_savable(bool text_only) const {
  if (text_only) {
    hf_text_config_json(config(), SpecialTokens());
  } else if (config().json.is_null()) {
    fail(ErrorKind::kUsage,
         "the image tower of {} is {} and no configuration came with it: there is no form to write "
         "the whole model in; save its text tower alone (--text-only)",
         files_.path.string(), config().other_vision);
  }
}

void TextModel::save(const fs::path& target, const VisionTower* trained_vision) const {
  check_savable(/*text_only=*/false);
  std::vector<NamedTensor> vision;
  if (trained_vision != nullptr) {
    vision = to_file_tensors(vision_tensor_names(*config().vision), trained_vision->parameters(),
                             config().family);
  } else if (files_.weights) {
    vision = view_vision_tensors(files_);
  }
  write(target, config().family, vision, config().json);
}

void TextModel::save_text_only(const fs::path& target) const {
  const bool hf = config().family == ModelFamily::kHf;
  const SpecialTokens tokens{tokenizer_.start_token(),
                             hf ? config().text.end_token : tokenizer_.end_token()};
  write(target, ModelFamily::kHf, {}, hf_text_config_json(config(), tokens));
}

void TextModel::write(const fs::path& target, ModelFamily family,
                      const std::vector<NamedTensor>& vision, Json json) const {
  std::vector<NamedTensor> tensors =
      to_file_tensors(text_tensor_names(config().text), tower_.parameters(), family);
  tensors.insert(tensors.end(), vision.begin(), vision.end());
  write_safetensors(target / weights_file_name(family), tensors, {{"format", "pt"}});
  if (family == ModelFamily::kHf) {
    json.erase("dtype");
    json["torch_dtype"] = "float32";
  }
  write_file_atomic(target / config_file_name(family), dump_json(json, 2) + "\n");
  write_companions(files_, target, family);
}

std::string TextModel::fingerprint() const {
  return text_fingerprint(config().text, tower_.parameters());
}

std::string text_fingerprint(const TextConfig& config, const std::vector<NamedTensor>& tensors) {
  return fingerprint_of(tensors, to_string(config.activation));
}

}  // namespace paraclip
