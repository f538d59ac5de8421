#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace paraclip {

/// One turn of a conversation with a language model.
struct Message {
  std::string role;  ///< "system", "user" or "assistant".
  std::string content;
};

/// How completions are drawn.
struct Sampling {
  double temperature = 1.0;
  double top_p = 0.1;
  int max_tokens = 512;
  int candidates = 1;  ///< Independent completions of one request.
};

/// One question to a language model. Requests of one step share `prefix`, which a backend may
/// evaluate only once.
struct CompletionRequest {
  uint64_t id = 0;  ///< Chosen by the caller, handed back with the response.
  std::shared_ptr<const std::vector<Message>>
      prefix;          ///< System prompt and worked examples; may be empty.
  std::string prompt;  ///< The last user message.
  Sampling sampling;
  uint64_t seed = 0;  ///< With a seeded backend the same request gives the same response, whatever
                      ///< runs beside it.
};

/// One completion and why it ended ("stop", or "length" when it was cut).
struct Completion {
  std::string text;
  std::string finish_reason;
  /// Mean log-probability of its tokens at the sampling temperature, before top_p cut them; 0 from
  /// a backend that does not tell. Low where the model strayed.
  double log_probability = 0.0;
};

/// The answer to a request: its completions, or why there are none.
struct CompletionResponse {
  uint64_t id = 0;
  std::vector<Completion> completions;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  std::string error;  ///< Empty unless the request failed for good; the run goes on without it.
};

/// A language model that answers requests, many at a time.
class Backend {
 public:
  virtual ~Backend() = default;

  /// What answers, for the journal and the statistics: a model's file name, or server and model.
  virtual std::string name() const = 0;

  /// Answers requests until `next` has none and none is under way.
  ///
  /// `next` is asked whenever there is room, and again after every `done`: an answer may give rise
  /// to new requests. Both are called on the calling thread. An exception from either ends the run
  /// and passes through. When stop_requested() turns true, no further request is started and the
  /// call returns as soon as it can; requests under way are dropped. Throws kNetwork when a server
  /// is out of reach for good, kData for a model that cannot run.
  virtual void run(const std::function<std::optional<CompletionRequest>()>& next,
                   const std::function<void(CompletionResponse)>& done) = 0;
};

}  // namespace paraclip
