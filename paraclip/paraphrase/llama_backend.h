#pragma once

#include "paraclip/paraphrase/backend.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace paraclip {

class LlamaLane;
class LlamaModel;

/// How a language model runs in this process.
struct LlamaOptions {
  std::filesystem::path model;  ///< A GGUF file.
  int slots = 8;                ///< Completions that a thread decodes together.
  int context = 768;            ///< Tokens a slot holds: prefix, prompt and completion.
  int threads = 0;              ///< Threads that decode; 0 for as many as there are cores.

  /// Throws kUsage, naming the option, its value and the range allowed.
  void validate() const;
};

/// A GGUF model in this process, by llama.cpp on the CPU.
///
/// Each thread advances the completions of its slots together, one token each a step, without
/// waiting for the other threads, which share the weights.
///
/// The same request gives the same text whatever runs beside it, in whatever order, with any number
/// of slots and threads: a token's logits do not depend on the batch it was computed in, to the
/// bit, and candidate i draws from a generator seeded by (request.seed, i). It holds for one build
/// on one kind of processor, not across those.
class LlamaBackend : public Backend {
 public:
  /// Receives the raw logits `[vocabulary]` behind one token of a completion, on the thread that
  /// computed them.
  using LogitsObserver =
      std::function<void(uint64_t request, int candidate, std::span<const float> logits)>;

  /// Loads the model. Throws kUsage for options out of range, kIo for a file that cannot be read
  /// and kData, naming it, for one that llama.cpp cannot run.
  explicit LlamaBackend(const LlamaOptions& options);
  LlamaBackend(const LlamaBackend&) = delete;
  LlamaBackend& operator=(const LlamaBackend&) = delete;
  ~LlamaBackend() override;

  /// The model file's stem and a fingerprint of its size and first megabyte: "SmolLM2-135M
  /// (0123456789abcdef)".
  std::string name() const override;

  /// As Backend::run. A prompt that does not fit a slot gets a response with an error.
  void run(const std::function<std::optional<CompletionRequest>()>& next,
           const std::function<void(CompletionResponse)>& done) override;

  /// Lets `observer` see what tokens are drawn from, until it is replaced.
  void observe_logits(LogitsObserver observer);

 private:
  std::shared_ptr<const LlamaModel> model_;
  std::vector<std::unique_ptr<LlamaLane>> lanes_;
  LogitsObserver observer_;
};

}  // namespace paraclip
