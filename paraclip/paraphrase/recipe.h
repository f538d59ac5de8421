#pragma once

#include "paraclip/base/json.h"
#include "paraclip/paraphrase/backend.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// How one of the two steps asks its question.
struct RecipeStep {
  std::string system;  ///< The system prompt; empty for none.
  /// Worked examples, {input, output}; the input is put into `prompt` as the source text is.
  std::vector<std::array<std::string, 2>> examples;
  std::string prompt;       ///< The user message; "{}" stands for the source text.
  Sampling sampling;        ///< With the number of candidates one request draws.
  int attempts = 1;         ///< Requests for one caption before it is rejected.
  double min_change = 0.0;  ///< Least share of the source's content words that must be replaced,
  double max_change = 1.0;  ///< and the most that may be.
  /// Least Completion::log_probability of an output; 0 for any. For backends that tell it.
  double min_log_probability = 0.0;

  /// The last user message for `source`.
  std::string fill(std::string_view source) const;

  /// The messages before it: system prompt and examples.
  std::vector<Message> prefix() const;
};

/// What is asked of the language model, as data: which captions, which prompts, which sampling.
///
/// A file is one JSON object, written out in docs/paraphrase.md. Only `prompt`, `temperature`,
/// `top_p` and `max_tokens` of each step have to be there.
struct Recipe {
  std::string name;
  std::string description;
  int min_words = 2;   ///< Captions with fewer whitespace-separated words are left out.
  int max_words = 15;  ///< As are captions with more.
  /// Step 1 paraphrases the caption, step 2 the result of step 1.
  std::array<RecipeStep, 2> steps;

  /// Hash of everything that can change an answer: all but the name and the description.
  std::string fingerprint() const;
};

/// Reads a recipe; `where` names its source in messages. Throws kData for a missing, unknown or
/// mistyped key and a value out of range.
Recipe parse_recipe(const Json& json, std::string_view where);

/// The recipe built in under the name `name_or_file`, or the one in that file. Throws kUsage if
/// there is neither, kData for a malformed file.
Recipe load_recipe(const std::string& name_or_file);

/// Names of the recipes that are built in.
std::vector<std::string> recipe_names();

}  // namespace paraclip
