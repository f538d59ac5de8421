#pragma once

#include "paraclip/clip/bpe_files.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// Whose text cleaning and words come before the byte-pair encoding. The first two, which share
/// CLIP's vocabulary, give different ids for the same text where it has curly quotes, HTML
/// entities, ligatures, full-width forms or control characters.
enum class TokenizerFamily {
  kOpenClip,  ///< open_clip and OpenAI's CLIP: ftfy, html.unescape twice, Python's str.lower.
  kHf,        ///< transformers' CLIPTokenizer: NFC and lower-casing character by character.
  kRoberta,  ///< open_clip's HFTokenizer over RoBERTa's: as kOpenClip, but in upper and lower case.
};

/// The family called `name`: "open_clip", "hf" or "roberta". Throws kUsage.
TokenizerFamily parse_tokenizer_family(std::string_view name);

/// A text tower's tokenizer: text cleaning of one of the families, then byte-level BPE.
///
/// Gives the ids of open_clip 3.3.0 and of transformers' CLIPTokenizer; docs/tokenizer.md lists
/// what differs. Text is UTF-8; bytes that are not become U+FFFD as with Python's errors="replace".
/// Immutable and cheap to copy: any number of threads may encode at once.
class Tokenizer {
 public:
  /// The ids of a text as the text tower takes them.
  struct Encoded {
    std::vector<int64_t> ids;         ///< Start token, text, end token.
    bool truncated = false;           ///< The text had more tokens than fit.
    bool suspected_mojibake = false;  ///< See paraclip::suspected_mojibake; not in kHf.
  };

  /// CLIP's own vocabulary of 49,408 tokens, which is part of the program. Throws kUsage for
  /// kRoberta, whose vocabulary is not.
  static Tokenizer built_in(TokenizerFamily family);

  /// The tokenizer of a checkpoint folder: vocab.json with merges.txt, else tokenizer.json, else
  /// the built-in one if the folder has none of the three; RoBERTa has none built in. Throws kIo;
  /// kData if a file is malformed or vocabulary and merges contradict each other, naming the file
  /// and the line or token.
  static Tokenizer load(const std::filesystem::path& model_folder, TokenizerFamily family);

  /// The ids of `text` without start and end token, however many they are. Special tokens written
  /// out in the text are parsed, as both references do.
  std::vector<int64_t> encode(std::string_view text) const;

  /// Start token, the ids of `text`, end token. What is longer than `context_length` is cut there
  /// and its last id becomes the end token, as open_clip does; 0 means no limit. Throws kUsage if
  /// `context_length` is negative or 1.
  Encoded encode(std::string_view text, int64_t context_length) const;

  /// The text of `ids`, start and end tokens left out: in CLIP's families in lower case, with one
  /// blank between words; in RoBERTa's as it was after cleaning. Throws kUsage on an id outside the
  /// vocabulary.
  std::string decode(std::span<const int64_t> ids) const;

  int64_t start_token() const;
  int64_t end_token() const;
  int64_t vocabulary_size() const;
  TokenizerFamily family() const { return family_; }

  /// A hash of the family, vocabulary, merges and options: where it is the same, so are the ids of
  /// every text.
  uint64_t fingerprint() const;

 private:
  Tokenizer(std::shared_ptr<const BpeVocabulary> vocabulary, TokenizerFamily family,
            const RobertaOptions& options)
      : vocabulary_(std::move(vocabulary)), family_(family), options_(options) {}

  std::shared_ptr<const BpeVocabulary> vocabulary_;
  TokenizerFamily family_;
  RobertaOptions options_;
};

}  // namespace paraclip
