#pragma once

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/clip/tokenizer.h"
#include "tests/support.h"

#include <string>
#include <vector>

namespace paraclip::test {

/// A model folder with a small vocabulary of its own, for a tokenizer of one family.
class VocabularyFolder : public ::testing::Test {
 protected:
  explicit VocabularyFolder(TokenizerFamily family) : family_(family) {}

  void write(const std::string& name, const std::string& text) {
    write_file_atomic(folder_ / name, text);
  }

  Json vocab() const {
    Json vocab = Json::object();
    for (size_t id = 0; id < tokens_.size(); ++id) vocab[tokens_[id]] = id;
    return vocab;
  }

  void write_vocab() { write("vocab.json", vocab().dump()); }

  Tokenizer load() const { return Tokenizer::load(folder_.path(), family_); }

  /// What loading it throws.
  std::string error() const {
    return error_of([&] { load(); });
  }

  TemporaryFolder folder_;
  std::vector<std::string> tokens_;  ///< By id.

 private:
  TokenizerFamily family_;
};

}  // namespace paraclip::test
