#include "paraclip/paraphrase/pipeline.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/signals.h"
#include "paraclip/paraphrase/journal.h"
#include "paraclip/paraphrase/steps.h"

#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace paraclip {
namespace {

using Stage = CaptionState::Stage;

// The state of every caption, and the requests that follow from it.
class Scheduler {
 public:
  Scheduler(const CaptionList& captions, const StepRules& rules, const ProgressCallback& progress)
      : captions_(captions), rules_(rules), progress_(progress), states_(captions.size()) {}

  // Takes up what the journal holds.
  void replay(const Journal& journal, const std::string& model, bool retry_failed) {
    std::string last_model = model;
    journal.visit([&](const JournalRecord& record, const std::string& where) {
      const size_t position = captions_.find(record.index);
      if (position == captions_.size()) return;  // of another shard, or beyond the limit
      rules_.advance(captions_[position], states_[position], record, where);
      last_model = record.model;
    });
    if (last_model != model) {
      log().warn("the journal has answers of {}; what is left goes to {}", last_model, model);
    }
    for (CaptionState& state : states_) {
      if (retry_failed && state.stage == Stage::kFailed) state.stage = Stage::kAsking;
      count(state);
    }
    resumed_ = finished_;
    if (resumed_ > 0) {
      log().info("resuming: {} of {} captions are finished", resumed_, captions_.size());
    }
    report();
  }

  // A caption that has begun comes before a new one: few are between their steps at any time.
  std::optional<CompletionRequest> next() {
    if (!begun_.empty()) {
      const size_t position = begun_.front();
      begun_.pop_front();
      return request(position);
    }
    while (cursor_ < states_.size() && states_[cursor_].stage != Stage::kAsking) ++cursor_;
    if (cursor_ == states_.size()) return std::nullopt;
    return request(cursor_++);
  }

  void done(CompletionResponse response, Journal& journal, const std::string& model) {
    const auto position = static_cast<size_t>(response.id);
    CaptionState& state = states_.at(position);
    const CaptionView caption = captions_[position];
    JournalRecord record;
    record.index = caption.index;
    record.step = state.step;
    record.attempt = state.attempt;
    record.key = rules_.key(caption, state);
    record.completions = std::move(response.completions);
    record.prompt_tokens = response.prompt_tokens;
    record.completion_tokens = response.completion_tokens;
    record.model = model;
    record.error = std::move(response.error);
    journal.append(record);
    if (!record.error.empty()) log().warn("caption {}: {}", record.index, record.error);
    rules_.advance(caption, state, record, "the answer just received");
    if (state.stage == Stage::kAsking) {
      begun_.push_back(position);
    } else {
      count(state);
    }
    report();
  }

  bool finished() const { return finished_ == captions_.size(); }
  size_t left() const { return captions_.size() - finished_; }

 private:
  CompletionRequest request(size_t position) const {
    return rules_.request(captions_[position], states_[position], position);
  }

  void count(const CaptionState& state) {
    if (state.stage != Stage::kAsking) ++finished_;
    if (state.stage == Stage::kDone) ++triples_;
  }

  void report() const {
    if (!progress_) return;
    progress_({"paraphrase", "captions", static_cast<int64_t>(finished_),
               static_cast<int64_t>(captions_.size()), fmt::format("{} triples", triples_)});
  }

  const CaptionList& captions_;
  const StepRules& rules_;
  const ProgressCallback& progress_;
  std::vector<CaptionState> states_;
  std::deque<size_t> begun_;
  size_t cursor_ = 0;
  size_t finished_ = 0;
  size_t resumed_ = 0;
  size_t triples_ = 0;
};

}  // namespace

RunStatistics run_pipeline(const CaptionList& captions, const PipelineOptions& options,
                           Backend& backend, const ProgressCallback& progress) {
  make_directories(options.output);
  const StepRules rules(options.recipe, options.seed, options.similarity);
  Journal journal(options.output / "journal.jsonl", options.recipe, options.seed);
  Scheduler scheduler(captions, rules, progress);
  const std::string model = backend.name();
  scheduler.replay(journal, model, options.retry_failed);
  if (!scheduler.finished()) {
    backend.run(
        [&] { return scheduler.next(); },
        [&](CompletionResponse response) { scheduler.done(std::move(response), journal, model); });
  }
  if (!scheduler.finished()) {
    if (!stop_requested()) throw std::logic_error(model + " left requests unanswered");
    fail(ErrorKind::kInterrupted,
         "stopped with {} of {} captions left; what was answered is in {}: run the same command to "
         "go on",
         scheduler.left(), captions.size(), (options.output / "journal.jsonl").string());
  }
  return write_outputs(options.output, captions, rules, journal);
}

CostEstimate estimate_cost(const CaptionList& captions, const Recipe& recipe) {
  constexpr int64_t kBytesPerToken = 4;
  constexpr int64_t kTokensPerMessage = 4;
  CostEstimate estimate;
  const auto tokens = [](size_t bytes) {
    return (static_cast<int64_t>(bytes) + kBytesPerToken - 1) / kBytesPerToken;
  };
  for (const RecipeStep& step : recipe.steps) {
    int64_t fixed = kTokensPerMessage;
    for (const Message& message : step.prefix())
      fixed += kTokensPerMessage + tokens(message.content.size());
    for (size_t i = 0; i < captions.size(); ++i) {
      ++estimate.requests;
      estimate.prompt_tokens += fixed + tokens(step.fill(captions[i].text).size());
      estimate.completion_tokens += step.sampling.candidates * tokens(captions[i].text.size());
    }
  }
  return estimate;
}

}  // namespace paraclip
