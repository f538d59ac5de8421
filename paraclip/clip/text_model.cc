#include "paraclip/clip/text_model.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/random.h"
#include "paraclip/clip/checkpoint.h"
#include "paraclip/io/safetensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <span>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "model.safetensors";

// Copied as they are from a model to what is trained from it.
constexpr const char* kCompanionFiles[] = {"merges.txt",
                                           "vocab.json",
                                           "tokenizer.json",
                                           "tokenizer_config.json",
                                           "special_tokens_map.json",
                                           "preprocessor_config.json"};

fs::path find_weights(const fs::path& folder) {
  fs::path file = folder / kWeights;
  if (fs::exists(file)) return file;
  if (fs::exists(folder / "pytorch_model.bin")) {
    fail(ErrorKind::kData,
         "{} holds pytorch_model.bin, expected {}; save it with transformers' "
         "save_pretrained(..., safe_serialization=True)",
         folder.string(), kWeights);
  }
  if (fs::exists(folder / "model.safetensors.index.json")) {
    fail(ErrorKind::kData,
         "{} holds a checkpoint in several parts, expected one {}; save it with transformers' "
         "save_pretrained(..., max_shard_size=\"100GB\")",
         folder.string(), kWeights);
  }
  fail(ErrorKind::kIo, "{} holds no {}; expected an HF CLIP folder", folder.string(), kWeights);
}

ClipConfig read_config(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    fail(ErrorKind::kIo, "cannot load the model {}: {}, expected a folder with config.json and {}",
         folder.string(), fs::exists(folder) ? "it is a file" : "there is no such folder",
         kWeights);
  }
  return ClipConfig::read(folder / "config.json");
}

}  // namespace

TextModel::TextModel(fs::path folder, ClipConfig config, Tokenizer tokenizer, TextTower tower)
    : folder_(std::move(folder)),
      config_(std::move(config)),
      tokenizer_(std::move(tokenizer)),
      tower_(std::move(tower)) {}

TextModel TextModel::load(const fs::path& folder) {
  ClipConfig config = read_config(folder);
  TextTower tower(config.text, read_text_tensors(find_weights(folder), config));
  Tokenizer tokenizer = Tokenizer::load(folder, TokenizerFamily::kHf);
  if (tokenizer.vocabulary_size() > config.text.vocabulary_size) {
    fail(ErrorKind::kData,
         "{}: the tokenizer has {} tokens, but config.json says vocab_size {}; the files do not "
         "belong together",
         folder.string(), tokenizer.vocabulary_size(), config.text.vocabulary_size);
  }
  return TextModel(folder, std::move(config), std::move(tokenizer), std::move(tower));
}

std::vector<int64_t> TextModel::tokenize(std::string_view text) const {
  std::vector<int64_t> ids = tokenizer_.encode(text, config_.text.context_length).ids;
  ids.resize(pooled_length(ids, config_.text));
  return ids;
}

at::Tensor TextModel::encode(const std::vector<std::string>& texts, int64_t batch_tokens) const {
  std::vector<std::vector<int64_t>> ids;
  ids.reserve(texts.size());
  for (const std::string& text : texts) ids.push_back(tokenize(text));
  const at::NoGradGuard no_grad;
  const auto count = static_cast<int64_t>(ids.size());
  at::Tensor result = at::empty({count, config_.text.projection_dim}, at::kFloat);
  for (size_t begin = 0; begin < ids.size();) {
    size_t end = begin;
    int64_t tokens = 0;
    while (end < ids.size() && (end == begin || tokens < batch_tokens)) {
      tokens += static_cast<int64_t>(ids[end++].size());
    }
    const PackedText packed = pack(std::span(ids).subspan(begin, end - begin), config_.text);
    result.slice(0, static_cast<int64_t>(begin), static_cast<int64_t>(end))
        .copy_(normalize_rows(tower_.forward(packed)));
    begin = end;
  }
  return result;
}

void TextModel::save(const fs::path& target, bool text_only) const {
  std::vector<NamedTensor> tensors = to_hf_tensors(config_.text, tower_.parameters());
  const bool full = config_.has_vision && !text_only;
  if (full) {
    for (NamedTensor& tensor : read_vision_tensors(folder_ / kWeights)) {
      tensors.push_back(std::move(tensor));
    }
  }
  write_safetensors(target / kWeights, tensors, {{"format", "pt"}});
  Json json = full ? config_.json : config_.text_only_json();
  json.erase("dtype");
  json["torch_dtype"] = "float32";
  write_file_atomic(target / "config.json", dump_json(json, 2) + "\n");
  for (const char* name : kCompanionFiles) {
    if (fs::exists(folder_ / name)) write_file_atomic(target / name, read_file(folder_ / name));
  }
}

std::string TextModel::fingerprint() const {
  uint64_t hash = hash64(to_string(config_.text.activation));
  for (const auto& [name, tensor] : tower_.parameters()) {
    const at::Tensor flat = tensor.detach().contiguous();
    hash = hash64({static_cast<const char*>(flat.const_data_ptr()), flat.nbytes()},
                  hash64(name, hash));
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace paraclip
