#include "paraclip/clip/bpe_files.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/unicode.h"

#include <nlohmann/json.hpp>

namespace paraclip {
namespace {

// Sorted objects: in the library's usual, ordered ones a vocabulary of 49,408 keys takes quadratic
// time.
using SortedJson = nlohmann::json;

SortedJson read_sorted_json(const std::filesystem::path& path) {
  try {
    return SortedJson::parse(MappedFile::open(path)->text());
  } catch (const SortedJson::exception& error) {
    fail(ErrorKind::kData, "{}: not valid JSON: {}", path.string(), error.what());
  }
}

// From {"token": id} to tokens by id. As there are as many ids as places, one that appears twice
// leaves another out.
std::vector<std::string> tokens_by_id(const SortedJson& vocabulary, const std::string& where) {
  if (!vocabulary.is_object()) {
    fail(ErrorKind::kData, "{}: the vocabulary is {}, expected an object from tokens to ids", where,
         vocabulary.type_name());
  }
  std::vector<std::string> tokens(vocabulary.size());
  std::vector<bool> seen(vocabulary.size(), false);
  for (const auto& [token, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= tokens.size()) {
      fail(ErrorKind::kData, "{}: the id of '{}' is {}, expected an integer from 0 to {}", where,
           token, id.dump().substr(0, 60), tokens.size() - 1);
    }
    const size_t place = id.get<size_t>();
    if (seen[place]) {
      fail(ErrorKind::kData, "{}: '{}' and '{}' have the same id {}", where, tokens[place], token,
           place);
    }
    seen[place] = true;
    tokens[place] = token;
  }
  return tokens;
}

BpeMerge parse_merge(std::string_view line, std::string where) {
  const size_t blank = line.find(' ');
  if (blank == 0 || blank == line.npos || blank + 1 == line.size() ||
      line.find(' ', blank + 1) != line.npos) {
    fail(ErrorKind::kData, "{}: found '{}', expected two symbols with a blank between", where,
         line.substr(0, 60));
  }
  return {.left = std::string(line.substr(0, blank)),
          .right = std::string(line.substr(blank + 1)),
          .where = std::move(where)};
}

// Either "left right" or ["left", "right"], by the version of the tokenizers library.
BpeMerge parse_json_merge(const SortedJson& merge, std::string where) {
  if (merge.is_string()) return parse_merge(merge.get_ref<const std::string&>(), std::move(where));
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return {.left = merge[0], .right = merge[1], .where = std::move(where)};
  fail(ErrorKind::kData, "{}: found {}, expected two symbols", where, merge.dump().substr(0, 60));
}

}  // namespace

std::vector<BpeMerge> parse_merges(std::string_view text, const std::string& where) {
  std::vector<BpeMerge> merges;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (number == 1 && line.find("#version") != line.npos) continue;
    merges.push_back(parse_merge(line, fmt::format("{}, line {}", where, number)));
  }
  return merges;
}

std::vector<std::string> clip_tokens(const std::vector<BpeMerge>& merges) {
  std::vector<std::string> tokens;
  tokens.reserve(2 * 256 + merges.size() + 2);
  for (const std::string_view suffix : {std::string_view(), word_end(BpeKind::kClip)}) {
    for (const ByteSymbol& entry : byte_symbols())
      tokens.push_back(encode_utf8({&entry.symbol, 1}) + std::string(suffix));
  }
  for (const BpeMerge& merge : merges) tokens.push_back(merge.left + merge.right);
  tokens.emplace_back("<|startoftext|>");
  tokens.emplace_back("<|endoftext|>");
  return tokens;
}

BpeVocabulary vocabulary_from_merges(const std::vector<BpeMerge>& merges,
                                     const std::string& where) {
  return BpeVocabulary(BpeKind::kClip, clip_tokens(merges), merges, where);
}

BpeVocabulary read_vocabulary(BpeKind kind, const std::filesystem::path& vocab_json,
                              const std::filesystem::path& merges_txt) {
  const std::vector<BpeMerge> merges =
      parse_merges(MappedFile::open(merges_txt)->text(), merges_txt.string());
  return BpeVocabulary(kind, tokens_by_id(read_sorted_json(vocab_json), vocab_json.string()),
                       merges, vocab_json.string());
}

namespace {

void check_model(const SortedJson& model, BpeKind kind, const std::string& where) {
  const SortedJson type = model.value("type", SortedJson());
  if (type != "BPE") {
    fail(ErrorKind::kData, "{}: model.type is {}, expected \"BPE\"", where,
         type.dump().substr(0, 60));
  }
  const SortedJson suffix = model.value("end_of_word_suffix", SortedJson());
  if (suffix != word_end(kind) && !(suffix.is_null() && word_end(kind).empty())) {
    fail(ErrorKind::kData,
         "{}: model.end_of_word_suffix is {}, expected \"{}\"; is it another kind of tokenizer?",
         where, suffix.dump().substr(0, 60), word_end(kind));
  }
}

}  // namespace

BpeVocabulary read_tokenizer_json(BpeKind kind, const std::filesystem::path& tokenizer_json) {
  const std::string where = tokenizer_json.string();
  const SortedJson json = read_sorted_json(tokenizer_json);
  const auto model = json.find("model");
  if (model == json.end() || !model->is_object() || !model->contains("vocab") ||
      !model->contains("merges") || !model->at("merges").is_array()) {
    fail(ErrorKind::kData, "{}: expected a \"model\" with \"vocab\" and a list of \"merges\"",
         where);
  }
  check_model(*model, kind, where);
  std::vector<BpeMerge> merges;
  for (const SortedJson& merge : model->at("merges"))
    merges.push_back(
        parse_json_merge(merge, fmt::format("{}, merge {}", where, merges.size() + 1)));
  return BpeVocabulary(kind, tokens_by_id(model->at("vocab"), where), merges, where);
}

namespace {

// The object in a file that may be missing.
SortedJson read_object(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return SortedJson::object();
  SortedJson json = read_sorted_json(path);
  if (!json.is_object()) {
    fail(ErrorKind::kData, "{}: expected an object, found {}", path.string(), json.type_name());
  }
  return json;
}

// What describes <mask> in json[key], a list of tokens or an object with them as values; or null.
SortedJson find_mask(const SortedJson& json, const char* key) {
  for (const SortedJson& token : json.value(key, SortedJson::array())) {
    if (token.is_object() && token.value("content", SortedJson()) == "<mask>") return token;
  }
  return {};
}

// The first file that describes <mask> decides, in transformers' order; its bare name says nothing.
bool is_mask_taking_blanks(const SortedJson& config, const std::filesystem::path& folder) {
  SortedJson mask = find_mask(config, "added_tokens_decoder");
  if (!config.contains("added_tokens_decoder")) {
    mask = find_mask(read_object(folder / "tokenizer.json"), "added_tokens");
    if (mask.is_null())
      mask = read_object(folder / "special_tokens_map.json").value("mask_token", SortedJson());
  }
  if (!mask.is_object()) mask = config.value("mask_token", SortedJson());
  return mask.is_object() && mask.value("lstrip", SortedJson()) == true;
}

}  // namespace

RobertaOptions read_roberta_options(const std::filesystem::path& folder) {
  const SortedJson config = read_object(folder / "tokenizer_config.json");
  return {.add_prefix_space = config.value("add_prefix_space", SortedJson()) == true,
          .mask_takes_blanks = is_mask_taking_blanks(config, folder)};
}

}  // namespace paraclip
