#pragma once

#include "paraclip/paraphrase/captions.h"
#include "paraclip/paraphrase/checks.h"
#include "paraclip/paraphrase/journal.h"
#include "paraclip/paraphrase/recipe.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace paraclip {

class SimilarityCheck;

/// Where a caption stands between its first question and its triple.
struct CaptionState {
  enum class Stage : uint8_t {
    kAsking,    ///< Its next request is (step, attempt).
    kDone,      ///< Both steps have an answer.
    kRejected,  ///< All attempts of a step were used up.
    kFailed,    ///< The backend gave up on the request (step, attempt).
  };

  Stage stage = Stage::kAsking;
  uint8_t step = 1;
  uint16_t attempt = 1;
  std::string paraphrase;  ///< The answer to step 1 during step 2; empty otherwise.

  /// The text that the current step paraphrases.
  std::string_view source(const CaptionView& caption) const {
    return step == 1 ? caption.text : std::string_view(paraphrase);
  }
};

/// What the checks made of one record.
struct StepOutcome {
  std::vector<JudgedOutput> outputs;
  std::optional<size_t> chosen;  ///< The output that answers the step.
};

/// The rules by which captions move through the two steps: what is asked next, and what an answer
/// leads to. A caption's way depends on nothing but the recipe, the seed, the similarity check, its
/// index, its text and the answers.
class StepRules {
 public:
  /// With a `similarity`, which must outlive it, outputs that are unlike their caption are
  /// rejected.
  StepRules(Recipe recipe, uint64_t seed, const SimilarityCheck* similarity = nullptr);

  /// The request that `state` stands at; `id` is handed through.
  CompletionRequest request(const CaptionView& caption, const CaptionState& state,
                            uint64_t id) const;

  /// request_key() of that request.
  std::string key(const CaptionView& caption, const CaptionState& state) const;

  /// Judges the record and moves `state` on. Throws kUsage if the record answers another text than
  /// the caption's and kData if it is not the next one of this caption; `where` names the record.
  StepOutcome advance(const CaptionView& caption, CaptionState& state, const JournalRecord& record,
                      std::string_view where) const;

  const Recipe& recipe() const { return recipe_; }
  uint64_t seed() const { return seed_; }

 private:
  Recipe recipe_;
  const SimilarityCheck* similarity_;
  std::string fingerprint_;
  uint64_t seed_;
  std::array<std::shared_ptr<const std::vector<Message>>, 2> prefixes_;
};

}  // namespace paraclip
