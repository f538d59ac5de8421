#pragma once

#include "paraclip/base/file.h"
#include "paraclip/paraphrase/backend.h"
#include "paraclip/paraphrase/recipe.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace paraclip {

/// One finished request: what was asked about which caption, and all that came back.
struct JournalRecord {
  int64_t index = 0;  ///< The caption's.
  int step = 1;       ///< 1 or 2.
  int attempt = 1;    ///< Counted from 1 within the step.
  std::string key;    ///< Of the recipe, the step and the source text; see request_key().
  std::vector<Completion> completions;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  std::string model;
  std::string error;  ///< Why there are no completions; empty if there are.
};

/// The append-only file that makes a run resumable: a header line, then one line for each finished
/// request, durable before append() returns. What a run writes at its end is a pure function of its
/// captions, its recipe and this file.
class Journal {
 public:
  using Visitor = std::function<void(const JournalRecord& record, const std::string& where)>;

  /// Opens the journal at `path`, or starts it. An unfinished last line is cut off. Throws kUsage
  /// if it belongs to another recipe or seed, or if another run has it open; kData if it is not a
  /// journal; kIo.
  Journal(std::filesystem::path path, const Recipe& recipe, uint64_t seed);

  /// Hands over every record, oldest first; `where` names its place in messages. Throws kData for
  /// a malformed record.
  void visit(const Visitor& visitor) const;

  /// The same by ascending caption index, records of one caption oldest first.
  void visit_by_caption(const Visitor& visitor) const;

  /// Adds a record. Throws kIo; the record is then not in the file.
  void append(const JournalRecord& record);

 private:
  std::filesystem::path path_;
  AppendFile file_;
};

/// What names a question, whoever answers it: the recipe's fingerprint, the step (1 or 2) and the
/// text to paraphrase, hashed.
std::string request_key(const std::string& recipe_fingerprint, int step, std::string_view source);

}  // namespace paraclip
