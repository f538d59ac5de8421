#pragma once

#include "paraclip/base/json.h"
#include "paraclip/paraphrase/captions.h"
#include "paraclip/paraphrase/journal.h"
#include "paraclip/paraphrase/steps.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

namespace paraclip {

/// What came of one step.
struct StepStatistics {
  int64_t requests = 0;    ///< Answered, over all attempts.
  int64_t candidates = 0;  ///< Outputs in them.
  int64_t accepted = 0;    ///< Outputs that passed the checks.
  int64_t chosen = 0;      ///< Captions that the step has an answer for.
  int64_t rejected = 0;    ///< Captions of which no attempt had an accepted output.
  int64_t failed = 0;      ///< Captions whose request the backend gave up on.
  std::array<int64_t, kRejectCount> reasons{};  ///< Outputs rejected, by Reject.
};

/// What came of a run.
struct RunStatistics {
  CaptionCounts counts;  ///< Of the input.
  int64_t captions = 0;  ///< Of this limit and shard.
  int64_t triples = 0;   ///< Captions with both paraphrases.
  std::array<StepStatistics, 2> steps;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  std::set<std::string> models;  ///< That answered.
};

/// Writes triples.jsonl, rejects.jsonl and stats.json of a finished run into `folder`, each
/// atomically, from nothing but the captions, the rules and the journal. Throws kData, kIo.
///
/// triples.jsonl has the official script's fields {index, image_id, caption, paraphrase_1,
/// paraphrase_2}, by ascending index. rejects.jsonl has a line for each rejected output {index,
/// step, attempt, source, text, reason} and one for each caption without a triple {index, image_id,
/// caption, step, reason: "no_output" or "failed"}.
RunStatistics write_outputs(const std::filesystem::path& folder, const CaptionList& captions,
                            const StepRules& rules, const Journal& journal);

/// As stored in stats.json.
Json to_json(const RunStatistics& statistics, const StepRules& rules);

}  // namespace paraclip
