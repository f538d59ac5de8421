#pragma once

#include "paraclip/paraphrase/backend.h"

#include <llama-cpp.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace paraclip {

using Tokens = std::vector<llama_token>;

/// A GGUF model's weights, vocabulary and chat template. Threads may share it.
class LlamaModel {
 public:
  /// Throws kIo for a file that cannot be read and kData, naming it, for one that llama.cpp cannot
  /// run as a plain transformer decoder.
  explicit LlamaModel(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }

  /// The file's stem and a fingerprint of its size and first megabyte.
  std::string name() const;

  /// The messages as the model reads them, laid out by its chat template, by ChatML where it has
  /// none that is known. `answer`: an answer of the assistant is to follow.
  Tokens encode(std::span<const Message> messages, bool answer) const;

  /// The bytes that `token` stands for; none for control tokens. May be a part of a character.
  std::string piece(llama_token token) const;

  /// Whether `token` ends a text.
  bool ends(llama_token token) const { return llama_vocab_is_eog(vocabulary_, token); }

  size_t vocabulary_size() const { return static_cast<size_t>(llama_vocab_n_tokens(vocabulary_)); }

  /// A context for `sequences` sequences of `context` tokens, at most `batch` of them evaluated by
  /// one call, on the calling thread. The logits of a sequence do not depend, to the bit, on what
  /// is computed beside it. Throws kData when there is not the memory for it.
  llama_context_ptr new_context(int sequences, int context, int batch) const;

 private:
  std::filesystem::path path_;
  std::string fingerprint_;
  llama_model_ptr model_;
  const llama_vocab* vocabulary_ = nullptr;
  std::string chat_template_;
};

/// What llama.cpp last complained about on this thread: it reports failures only to its log.
std::string llama_complaint();

}  // namespace paraclip
