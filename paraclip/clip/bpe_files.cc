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

BpeVocabulary vocabulary_from_merges(const std::vector<BpeMerge>& merges,
                                     const std::string& where) {
  std::vector<std::string> tokens;
  tokens.reserve(2 * 256 + merges.size() + 2);
  for (const std::string_view suffix : {std::string_view(), kWordEnd}) {
    for (const ByteSymbol& entry : byte_symbols())
      tokens.push_back(encode_utf8({&entry.symbol, 1}) + std::string(suffix));
  }
  for (const BpeMerge& merge : merges) tokens.push_back(merge.left + merge.right);
  tokens.emplace_back("<|startoftext|>");
  tokens.emplace_back("<|endoftext|>");
  return BpeVocabulary(std::move(tokens), merges, where);
}

BpeVocabulary read_vocabulary(const std::filesystem::path& vocab_json,
                              const std::filesystem::path& merges_txt) {
  const std::vector<BpeMerge> merges =
      parse_merges(MappedFile::open(merges_txt)->text(), merges_txt.string());
  return BpeVocabulary(tokens_by_id(read_sorted_json(vocab_json), vocab_json.string()), merges,
                       vocab_json.string());
}

BpeVocabulary read_tokenizer_json(const std::filesystem::path& tokenizer_json) {
  const std::string where = tokenizer_json.string();
  const SortedJson json = read_sorted_json(tokenizer_json);
  const auto model = json.find("model");
  if (model == json.end() || !model->is_object() || !model->contains("vocab") ||
      !model->contains("merges") || !model->at("merges").is_array()) {
    fail(ErrorKind::kData, "{}: expected a \"model\" with \"vocab\" and a list of \"merges\"",
         where);
  }
  const std::pair<const char*, std::string_view> expected[] = {{"type", "BPE"},
                                                               {"end_of_word_suffix", kWordEnd}};
  for (const auto& [key, value] : expected) {
    const SortedJson found = model->value(key, SortedJson());
    if (found != value) {
      fail(ErrorKind::kData, "{}: model.{} is {}, expected \"{}\": not CLIP's tokenizer", where,
           key, found.dump().substr(0, 60), value);
    }
  }
  std::vector<BpeMerge> merges;
  for (const SortedJson& merge : model->at("merges"))
    merges.push_back(
        parse_json_merge(merge, fmt::format("{}, merge {}", where, merges.size() + 1)));
  return BpeVocabulary(tokens_by_id(model->at("vocab"), where), merges, where);
}

}  // namespace paraclip
