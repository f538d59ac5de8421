#include "paraclip/paraphrase/outputs.h"

#include "paraclip/base/file.h"

#include <string_view>

namespace paraclip {
namespace {

using Stage = CaptionState::Stage;

// Follows the records of one caption after the other and writes what they lead to.
class OutputWriter {
 public:
  OutputWriter(const std::filesystem::path& folder, const CaptionList& captions,
               const StepRules& rules)
      : captions_(captions),
        rules_(rules),
        triples_(folder / "triples.jsonl"),
        rejects_(folder / "rejects.jsonl") {
    statistics_.counts = captions.counts;
    statistics_.captions = static_cast<int64_t>(captions.size());
  }

  void add(const JournalRecord& record, const std::string& where) {
    if (position_ == captions_.size() || captions_[position_].index != record.index) {
      finish_caption();
      position_ = captions_.find(record.index);
    }
    if (position_ == captions_.size()) return;  // of another shard, or beyond the limit
    const CaptionView caption = captions_[position_];
    const std::string source(state_.source(caption));
    const StepOutcome outcome = rules_.advance(caption, state_, record, where);
    statistics_.prompt_tokens += record.prompt_tokens;
    statistics_.completion_tokens += record.completion_tokens;
    statistics_.models.insert(record.model);
    error_ = record.error;
    if (record.error.empty()) count(record, source, outcome);
  }

  RunStatistics commit() {
    finish_caption();
    triples_.commit();
    rejects_.commit();
    return statistics_;
  }

 private:
  void count(const JournalRecord& record, const std::string& source, const StepOutcome& outcome) {
    StepStatistics& step = statistics_.steps[static_cast<size_t>(record.step) - 1];
    ++step.requests;
    for (const JudgedOutput& output : outcome.outputs) {
      ++step.candidates;
      if (!output.reject) {
        ++step.accepted;
        continue;
      }
      ++step.reasons[static_cast<size_t>(*output.reject)];
      write(rejects_, Json{{"index", record.index},
                           {"step", record.step},
                           {"attempt", record.attempt},
                           {"source", source},
                           {"text", output.text},
                           {"reason", reject_name(*output.reject)}});
    }
    if (!outcome.chosen) return;
    ++step.chosen;
    paraphrases_[static_cast<size_t>(record.step) - 1] = outcome.outputs[*outcome.chosen].text;
  }

  // Writes the triple of the caption at hand, or why there is none.
  void finish_caption() {
    if (position_ < captions_.size()) {
      const CaptionView caption = captions_[position_];
      Json line = {
          {"index", caption.index}, {"image_id", caption.image_id}, {"caption", caption.text}};
      StepStatistics& step = statistics_.steps[size_t{state_.step} - 1];
      if (state_.stage == Stage::kDone) {
        ++statistics_.triples;
        line["paraphrase_1"] = paraphrases_[0];
        line["paraphrase_2"] = paraphrases_[1];
        write(triples_, line);
      } else {
        const bool failed = state_.stage == Stage::kFailed;
        ++(failed ? step.failed : step.rejected);
        line["step"] = state_.step;
        line["reason"] = failed ? "failed" : "no_output";
        if (failed) line["error"] = error_;
        write(rejects_, line);
      }
    }
    position_ = captions_.size();
    state_ = {};
  }

  static void write(AtomicFile& file, const Json& line) {
    file.write(dump_json(line));
    file.write("\n");
  }

  const CaptionList& captions_;
  const StepRules& rules_;
  AtomicFile triples_;
  AtomicFile rejects_;
  RunStatistics statistics_;
  size_t position_ = captions_.size();
  CaptionState state_;
  std::array<std::string, 2> paraphrases_;
  std::string error_;
};

Json step_json(const StepStatistics& step) {
  Json reasons = Json::object();
  for (size_t i = 0; i < kRejectCount; ++i)
    reasons[std::string(reject_name(static_cast<Reject>(i)))] = step.reasons[i];
  return Json{{"requests", step.requests},         {"outputs", step.candidates},
              {"accepted_outputs", step.accepted}, {"rejected_outputs", reasons},
              {"captions_answered", step.chosen},  {"captions_rejected", step.rejected},
              {"captions_failed", step.failed}};
}

}  // namespace

RunStatistics write_outputs(const std::filesystem::path& folder, const CaptionList& captions,
                            const StepRules& rules, const Journal& journal) {
  OutputWriter writer(folder, captions, rules);
  journal.visit_by_caption(
      [&](const JournalRecord& record, const std::string& where) { writer.add(record, where); });
  const RunStatistics statistics = writer.commit();
  write_file_atomic(folder / "stats.json",
                    dump_json(to_json(statistics, rules), /*indent=*/2) + "\n");
  return statistics;
}

Json to_json(const RunStatistics& statistics, const StepRules& rules) {
  const CaptionCounts& counts = statistics.counts;
  return Json{
      {"input",
       {{"read", counts.read},
        {"empty", counts.empty},
        {"too_short", counts.too_short},
        {"too_long", counts.too_long},
        {"kept", counts.kept}}},
      {"captions", statistics.captions},
      {"triples", statistics.triples},
      {"steps", {step_json(statistics.steps[0]), step_json(statistics.steps[1])}},
      {"tokens",
       {{"prompt", statistics.prompt_tokens}, {"completion", statistics.completion_tokens}}},
      {"models", statistics.models},
      {"recipe", {{"name", rules.recipe().name}, {"fingerprint", rules.recipe().fingerprint()}}},
      {"seed", rules.seed()}};
}

}  // namespace paraclip
