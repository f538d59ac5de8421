#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/paraphrase/backend.h"
#include "paraclip/paraphrase/captions.h"
#include "paraclip/paraphrase/outputs.h"
#include "paraclip/paraphrase/recipe.h"

#include <cstdint>
#include <filesystem>

namespace paraclip {

/// What a run of the pipeline is told.
struct PipelineOptions {
  std::filesystem::path output;  ///< Folder of the journal and of what is written at the end.
  Recipe recipe;
  uint64_t seed = 0;
  const SimilarityCheck* similarity = nullptr;  ///< Must outlive the run; none: words alone.
  bool retry_failed = false;                    ///< Ask again what an earlier run gave up on.
};

/// Paraphrases `captions` in two steps.
///
/// Every finished request goes to `output`/journal.jsonl at once, and a run that finds a journal
/// goes on where it ends: however often a run is stopped or killed, no finished request is asked
/// again, and with a backend whose answers are a function of the request the triples are the same
/// as those of an undisturbed run. triples.jsonl, rejects.jsonl and stats.json are written at the
/// end only. Throws kInterrupted when stop_requested(); what Journal, Backend::run() and
/// write_outputs() throw.
RunStatistics run_pipeline(const CaptionList& captions, const PipelineOptions& options,
                           Backend& backend, const ProgressCallback& progress);

/// What a run would cost, estimated at four bytes a token (English text, any common tokenizer).
struct CostEstimate {
  int64_t requests = 0;  ///< Two a caption: one attempt at each step.
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;  ///< Outputs as long as their captions.
};

CostEstimate estimate_cost(const CaptionList& captions, const Recipe& recipe);

}  // namespace paraclip
