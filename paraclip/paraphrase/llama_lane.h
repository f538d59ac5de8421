#pragma once

#include "paraclip/paraphrase/backend.h"
#include "paraclip/paraphrase/llama_model.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace paraclip {

/// Decodes many completions together on one thread.
///
/// A slot that becomes free takes the next completion at once. What its prompt has in common with
/// what any sequence has evaluated is copied from there: a prefix is evaluated once, and a prompt
/// once for all of its candidates.
class LlamaLane {
 public:
  /// Prefixes kept evaluated; a pipeline of two steps uses two.
  static constexpr int kPrefixes = 2;

  /// Where a lane gets its requests, leaves its responses and shows the logits behind each token.
  struct Client {
    std::function<std::optional<CompletionRequest>()> next;
    std::function<void(CompletionResponse)> done;
    std::function<bool()> stop;  ///< Asked before each step.
    std::function<void(uint64_t request, int candidate, std::span<const float> logits)> observe;
  };

  LlamaLane(std::shared_ptr<const LlamaModel> model, int slots, int context);
  ~LlamaLane();

  /// Answers requests until there is none, or `stop` turns true. Throws kData when the model fails,
  /// kUsage for a request that asks for nothing.
  void run(const Client& client);

 private:
  class Batch;

  // A request under way.
  struct Job {
    CompletionRequest request;
    CompletionResponse response;
    Tokens prompt;
    std::vector<float> logits;  // After the prompt; empty until it is evaluated.
    int started = 0;            // Candidates.
    int finished = 0;
  };

  // One completion in the making.
  struct Slot {
    std::shared_ptr<Job> job;  // None when the slot is free.
    int candidate = 0;
    int drawn = 0;   // Tokens, the one that ends the text included.
    Tokens input;    // To be evaluated in the next step.
    int output = 0;  // Where in the batch the logits of the last of them are.
  };

  bool fill(Slot& slot, const Client& client);
  std::shared_ptr<Job> open(CompletionRequest request);
  void start(Slot& slot, std::shared_ptr<Job> job, const Client& client);
  void advance(Slot& slot, std::span<const float> logits, const Client& client);
  void step(const Client& client);

  void evaluate_prefix(const Tokens& tokens);
  size_t reuse(int sequence, std::span<const llama_token> tokens);
  void cut(int sequence, size_t length);
  void decode();

  int index(const Slot& slot) const { return static_cast<int>(&slot - slots_.data()); }

  std::shared_ptr<const LlamaModel> model_;
  size_t context_tokens_;
  llama_context_ptr context_;
  std::unique_ptr<Batch> batch_;
  std::vector<Slot> slots_;
  std::vector<Tokens> cached_;  // What each sequence holds evaluated: the slots', then prefixes.
  int next_prefix_ = 0;         // Whose place among the prefixes a new one takes.
  std::deque<std::shared_ptr<Job>> waiting_;  // Jobs with candidates to start.
};

}  // namespace paraclip
