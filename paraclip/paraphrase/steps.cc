#include "paraclip/paraphrase/steps.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/paraphrase/similarity.h"

#include <utility>

namespace paraclip {

using Stage = CaptionState::Stage;

StepRules::StepRules(Recipe recipe, uint64_t seed, const SimilarityCheck* similarity)
    : recipe_(std::move(recipe)),
      similarity_(similarity),
      fingerprint_(recipe_.fingerprint()),
      seed_(seed) {
  if (similarity_ != nullptr) {
    fingerprint_ = fmt::format("{} {}", fingerprint_, similarity_->fingerprint());
  }
  for (size_t i = 0; i < recipe_.steps.size(); ++i)
    prefixes_[i] = std::make_shared<const std::vector<Message>>(recipe_.steps[i].prefix());
}

std::string StepRules::key(const CaptionView& caption, const CaptionState& state) const {
  return request_key(fingerprint_, state.step, state.source(caption));
}

CompletionRequest StepRules::request(const CaptionView& caption, const CaptionState& state,
                                     uint64_t id) const {
  const size_t step = size_t{state.step} - 1;
  CompletionRequest request;
  request.id = id;
  request.prefix = prefixes_[step];
  request.prompt = recipe_.steps[step].fill(state.source(caption));
  request.sampling = recipe_.steps[step].sampling;
  request.seed =
      hash64(fmt::format("{}\n{}\n{}", key(caption, state), caption.index, state.attempt), seed_);
  return request;
}

StepOutcome StepRules::advance(const CaptionView& caption, CaptionState& state,
                               const JournalRecord& record, std::string_view where) const {
  const bool open = state.stage == Stage::kAsking || state.stage == Stage::kFailed;
  if (!open || record.step != state.step || record.attempt != state.attempt) {
    fail(ErrorKind::kData,
         "{}: step {}, attempt {} of caption {} does not follow from what is before it; the "
         "journal was changed or two were joined",
         where, record.step, record.attempt, record.index);
  }
  if (record.key != key(caption, state)) {
    fail(ErrorKind::kUsage,
         "{}: caption {} had another text, or another --clip-model or --min-similarity judged it, "
         "when "
         "this was answered; give the same or choose another output folder",
         where, record.index);
  }
  StepOutcome outcome;
  if (!record.error.empty()) {
    state.stage = Stage::kFailed;
    return outcome;
  }
  state.stage = Stage::kAsking;
  const RecipeStep& step = recipe_.steps[size_t{state.step} - 1];
  const std::string source(state.source(caption));
  for (const Completion& completion : record.completions)
    outcome.outputs.push_back(judge_output(completion, {caption.text, source, &step}));
  if (similarity_ != nullptr) {
    for (JudgedOutput& output : outcome.outputs) {
      const bool alike =
          output.reject || similarity_->alike(std::string(caption.text), output.text);
      if (!alike) output.reject = Reject::kUnlike;
    }
  }
  outcome.chosen = choose_output(outcome.outputs, source, size_t{state.step} - 1);
  if (!outcome.chosen) {
    if (state.attempt >= step.attempts) {
      state.stage = Stage::kRejected;
      state.paraphrase = {};
    } else {
      ++state.attempt;
    }
  } else if (state.step == 1) {
    state.paraphrase = outcome.outputs[*outcome.chosen].text;
    state.step = 2;
    state.attempt = 1;
  } else {
    state.stage = Stage::kDone;
    state.paraphrase = {};
  }
  return outcome;
}

}  // namespace paraclip
