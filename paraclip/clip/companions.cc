#include "paraclip/clip/companions.h"

#include "paraclip/base/file.h"
#include "paraclip/clip/bpe_files.h"
#include "paraclip/clip/embedded.h"
#include "paraclip/clip/image_model.h"

#include <fmt/format.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTokenizerFiles[] = {"merges.txt",        "vocab.json",
                                           "tokenizer.json",    "tokenizer_config.json",
                                           "added_tokens.json", "special_tokens_map.json"};
constexpr const char* kPreprocessing = "preprocessor_config.json";

bool copy_if_there(const fs::path& folder, const fs::path& target, const char* name) {
  if (!fs::exists(folder / name)) return false;
  write_file_atomic(target / name, read_file(folder / name));
  return true;
}

// CLIP's own vocabulary as transformers' CLIPTokenizer reads it.
void write_own_tokenizer(const fs::path& target, int64_t context_length) {
  const std::vector<BpeMerge> merges = parse_merges(embedded_bpe_merges(), "CLIP's merges");
  std::string lines = "#version: 0.2\n";
  for (const BpeMerge& merge : merges) lines += fmt::format("{} {}\n", merge.left, merge.right);
  write_file_atomic(target / "merges.txt", lines);

  std::string vocabulary;
  int64_t id = 0;
  for (const std::string& token : clip_tokens(merges)) {
    vocabulary += fmt::format("{}{}: {}", id == 0 ? "{" : ", ", dump_json(Json(token)), id);
    ++id;
  }
  write_file_atomic(target / "vocab.json", vocabulary + "}\n");

  Json tokens = Json::object();
  tokens["bos_token"] = "<|startoftext|>";
  for (const char* name : {"eos_token", "pad_token", "unk_token"}) tokens[name] = "<|endoftext|>";
  write_file_atomic(target / "special_tokens_map.json", dump_json(tokens, 2) + "\n");
  tokens["do_lower_case"] = true;
  tokens["model_max_length"] = context_length;
  tokens["tokenizer_class"] = "CLIPTokenizer";
  write_file_atomic(target / "tokenizer_config.json", dump_json(tokens, 2) + "\n");
}

}  // namespace

void write_companions(const ModelFiles& files, const fs::path& target, ModelFamily family) {
  bool tokenizer = false;
  for (const char* name : kTokenizerFiles) {
    tokenizer = copy_if_there(files.folder, target, name) || tokenizer;
  }
  if (family != ModelFamily::kHf) return;
  if (!tokenizer) write_own_tokenizer(target, files.config.text.context_length);
  const bool same_family = files.config.family == ModelFamily::kHf;
  if (same_family && copy_if_there(files.folder, target, kPreprocessing)) return;
  if (!files.config.vision || (same_family && !files.inferred())) return;
  write_file_atomic(target / kPreprocessing,
                    dump_json(read_preprocessing(files).to_hf(), 2) + "\n");
}

}  // namespace paraclip
