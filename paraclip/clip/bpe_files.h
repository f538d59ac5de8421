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

/// The tokens of CLIP's vocabulary in order of their ids: byte symbols, the same as ends of words,
/// the result of each merge, start and end token.
std::vector<std::string> clip_tokens(const std::vector<BpeMerge>& merges);

/// CLIP's vocabulary from its merges alone: clip_tokens(). Throws kData.
BpeVocabulary vocabulary_from_merges(const std::vector<BpeMerge>& merges, const std::string& where);

/// vocab.json and merges.txt as transformers writes them. Throws kIo, kData.
BpeVocabulary read_vocabulary(BpeKind kind, const std::filesystem::path& vocab_json,
                              const std::filesystem::path& merges_txt);

/// The model in a tokenizer.json of the tokenizers library, which must be a BPE with the kind's end
/// of words. Normalizer and pre-tokenizer in it are not read: the kind's are known. Throws kIo,
/// kData.
BpeVocabulary read_tokenizer_json(BpeKind kind, const std::filesystem::path& tokenizer_json);

/// What the files of a RoBERTa tokenizer can say besides its vocabulary.
struct RobertaOptions {
  bool add_prefix_space = false;   ///< A text that does not begin with a blank gets one.
  bool mask_takes_blanks = false;  ///< Blanks before <mask> belong to it ("lstrip").
};

/// The options in the files of `folder`, found where transformers 5 looks for them: of
/// tokenizer_config.json, tokenizer.json and special_tokens_map.json those that there are. Throws
/// kIo, kData.
RobertaOptions read_roberta_options(const std::filesystem::path& folder);

}  // namespace paraclip
