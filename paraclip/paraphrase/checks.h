#pragma once

#include "paraclip/paraphrase/backend.h"
#include "paraclip/paraphrase/recipe.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// Why an output of the language model is not used, in the order in which it is checked.
enum class Reject {
  kCut,         ///< It ran into the token limit.
  kEmpty,       ///< Nothing is left after cleaning.
  kNotText,     ///< Not UTF-8, control characters, or less than half of it letters.
  kRefusal,     ///< The model talks about itself or declines.
  kPromptEcho,  ///< It repeats the prompt or an example, or speaks of captions and paraphrases.
  kCopy,        ///< The same words as the source or the caption.
  kTooShort,    ///< Under two words, or under 0.3 of the source's.
  kTooLong,     ///< Over 40 words, or over twice the source's plus four.
  kLostNumber,  ///< A number of the source is missing.
  kLostName,    ///< A capitalised word of the source is missing.
  kTooLittleChange,  ///< Fewer content words replaced than the step asks for.
  kTooMuchChange,    ///< More content words replaced than the step allows.
  kStrayed,          ///< The model itself found it less probable than the step asks for.
  kUnlike,           ///< A CLIP text encoder finds it unlike the caption (SimilarityCheck).
};

constexpr size_t kRejectCount = static_cast<size_t>(Reject::kUnlike) + 1;

/// The name used in files: "lost_number".
std::string_view reject_name(Reject reason);

/// The output without what models put around an answer: reasoning in <think> tags, lead-ins such as
/// "Paraphrase:", list marks, quotes, further lines, repeated blanks. What `source` itself has is
/// kept.
std::string clean_output(std::string_view output, std::string_view source);

/// Of the distinct content-word stems of `source`, the share that `text` lacks, in [0, 1]. All
/// words count where the source has no content words.
double changed_share(std::string_view source, std::string_view text);

/// What an output was judged by.
struct CheckContext {
  std::string_view caption;  ///< The caption that step 1 started from.
  std::string_view source;   ///< What this step was asked to paraphrase.
  const RecipeStep* step;    ///< For its prompt, examples, min_change and max_change.
};

/// An output after cleaning, and why it is rejected, if it is.
struct JudgedOutput {
  std::string text;
  std::optional<Reject> reject;
  double log_probability = 0.0;  ///< As the completion's.
};

/// Cleans and checks one completion.
JudgedOutput judge_output(const Completion& completion, const CheckContext& context);

/// How good an accepted output is as an answer to step `step` (0 or 1), 1 at best: 1 less the
/// distance of its wording from what the step is for, less its imbalance. The wording's novelty is
/// the share of the output's content-word stems that are not the source's; step 1, which rewords
/// lightly and keeps the meaning, aims at 0.25, step 2, which looks for other words, at 0.6: beyond
/// that an output more often has drifted away. The imbalance is the number of content words by
/// which the output is shorter (details dropped) or longer (details invented), relative to the
/// source's.
double output_score(std::string_view source, std::string_view text, size_t step);

/// The place of the best accepted output by output_score plus its log-probability, which tells
/// where the model strayed, the first among equals; nothing if none was accepted.
std::optional<size_t> choose_output(std::span<const JudgedOutput> outputs, std::string_view source,
                                    size_t step);

}  // namespace paraclip
