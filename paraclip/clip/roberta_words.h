#pragma once

#include "paraclip/clip/bpe.h"
#include "paraclip/clip/bpe_files.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace paraclip {

/// The length in bytes of the first word of `text` (UTF-8, not empty) by GPT-2's pattern,
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// (Radford et al. 2019, encoder.py): every byte belongs to a word, a blank to the one after it.
size_t gpt2_word_length(std::string_view text);

/// Appends the ids of `text` (UTF-8) as transformers' RobertaTokenizer gives them, without start
/// and end token: special tokens as written, and GPT-2's words of what is between them.
void append_roberta(std::string_view text, const RobertaOptions& options,
                    const BpeVocabulary& vocabulary, std::vector<int64_t>& ids);

}  // namespace paraclip
