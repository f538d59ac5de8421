#pragma once

#include "paraclip/clip/bpe.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// The lines of a merges.txt: two symbols with a blank between; the first line may name a version.
/// `where` names the file in messages. Throws kData, naming the line.
std::vector<BpeMerge> parse_merges(std::string_view text, const std::string& where);

/// CLIP's vocabulary from its merges alone: byte symbols, the same as ends of words, the result of
/// each merge, start and end token. Throws kData.
BpeVocabulary vocabulary_from_merges(const std::vector<BpeMerge>& merges, const std::string& where);

/// vocab.json and merges.txt as transformers writes them. Throws kIo, kData.
BpeVocabulary read_vocabulary(const std::filesystem::path& vocab_json,
                              const std::filesystem::path& merges_txt);

/// The model in a tokenizer.json of the tokenizers library, which must be a BPE with "</w>" at the
/// end of words. Normalizer and pre-tokenizer in it are not read: CLIP's are known. Throws kIo,
/// kData.
BpeVocabulary read_tokenizer_json(const std::filesystem::path& tokenizer_json);

}  // namespace paraclip
