#include "paraclip/paraphrase/llama_lane.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace paraclip {
namespace {

struct Draw {
  llama_token token;
  double log_probability;  // At the sampling temperature, before the cut.
};

// Draws a token from softmax(logits / temperature) cut to the likeliest tokens whose probabilities
// reach top_p. `uniform` is in [0, 1). Temperature 0 takes the likeliest, its probability is that
// at temperature 1. Ties go to the lower id.
Draw draw(std::span<const float> logits, const Sampling& sampling, double uniform) {
  const double temperature = sampling.temperature > 0.0 ? sampling.temperature : 1.0;
  const double top_p = sampling.temperature > 0.0 ? sampling.top_p : 0.0;
  const float highest = *std::max_element(logits.begin(), logits.end());
  if (!std::isfinite(highest)) {
    fail(ErrorKind::kNumeric,
         "the language model's logits reach {}, expected finite numbers; its "
         "file may be damaged",
         highest);
  }

  // Below e^-25 of the likeliest, even the whole vocabulary together is under rounding error.
  struct Choice {
    double weight;
    llama_token token;
  };
  thread_local std::vector<Choice> choices;
  choices.clear();
  const float least = highest - static_cast<float>(25.0 * temperature);
  double total = 0.0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] < least) continue;
    const double weight = std::exp((double{logits[i]} - highest) / temperature);
    choices.push_back({weight, static_cast<llama_token>(i)});
    total += weight;
  }

  const auto less_likely = [](const Choice& a, const Choice& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.token > b.token;
  };
  std::make_heap(choices.begin(), choices.end(), less_likely);
  double kept = 0.0;
  auto rest = choices.end();
  do {
    std::pop_heap(choices.begin(), rest, less_likely);
    kept += (--rest)->weight;
  } while (rest != choices.begin() && kept < top_p * total);

  // The kept ones now stand at the end, the likeliest last.
  auto choice = std::prev(choices.end());
  for (double target = uniform * kept - choice->weight; target >= 0.0 && choice != rest;) {
    target -= (--choice)->weight;
  }
  return {choice->token, std::log(choice->weight / total)};
}

// The number behind the choice of one token: a pure function of the request and the place.
double uniform_at(uint64_t seed, int candidate, int position) {
  const uint64_t stream = mix64(seed + mix64(static_cast<uint64_t>(candidate) + 1));
  return static_cast<double>(mix64(stream + static_cast<uint64_t>(position)) >> 11) * 0x1.0p-53;
}

size_t common_length(std::span<const llama_token> a, std::span<const llama_token> b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

// Tokens of several sequences, to be evaluated together.
class LlamaLane::Batch {
 public:
  explicit Batch(int capacity)
      : capacity_(capacity), batch_(llama_batch_init(capacity, /*embd=*/0, /*n_seq_max=*/1)) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch() { llama_batch_free(batch_); }

  void clear() { batch_.n_tokens = 0; }
  int size() const { return batch_.n_tokens; }
  const llama_batch& get() const { return batch_; }

  // Appends one token at `position` of `sequence`; returns its place in the batch.
  int add(llama_token token, size_t position, int sequence, bool output) {
    const int i = batch_.n_tokens++;
    if (i >= capacity_) throw std::logic_error("a batch of tokens overflows");
    batch_.token[i] = token;
    batch_.pos[i] = static_cast<llama_pos>(position);
    batch_.n_seq_id[i] = 1;
    batch_.seq_id[i][0] = sequence;
    batch_.logits[i] = output;
    return i;
  }

 private:
  int capacity_;
  llama_batch batch_;
};

LlamaLane::LlamaLane(std::shared_ptr<const LlamaModel> model, int slots, int context)
    : model_(std::move(model)),
      context_tokens_(static_cast<size_t>(context)),
      context_(model_->new_context(slots + kPrefixes, context, slots * context)),
      batch_(std::make_unique<Batch>(slots * context)),
      slots_(static_cast<size_t>(slots)),
      cached_(static_cast<size_t>(slots + kPrefixes)) {}

LlamaLane::~LlamaLane() = default;

void LlamaLane::cut(int sequence, size_t length) {
  cached_[sequence].resize(length);
  llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, static_cast<llama_pos>(length),
                      -1);
}

// Makes `sequence` hold the longest beginning of `tokens` that any sequence has evaluated, and
// nothing else. Returns its length.
size_t LlamaLane::reuse(int sequence, std::span<const llama_token> tokens) {
  int source = sequence;
  size_t longest = common_length(cached_[sequence], tokens);
  for (int other = 0; other < static_cast<int>(cached_.size()); ++other) {
    const size_t length = common_length(cached_[other], tokens);
    if (length > longest) std::tie(source, longest) = std::pair(other, length);
  }
  if (source != sequence) {
    // Between caches of their own, llama.cpp copies whole sequences only.
    llama_memory_seq_cp(llama_get_memory(context_.get()), source, sequence, -1, -1);
    cached_[sequence] = cached_[source];
  }
  cut(sequence, longest);
  return longest;
}

void LlamaLane::decode() {
  if (llama_decode(context_.get(), batch_->get()) != 0) {
    // What of the batch was evaluated is not known.
    for (int i = 0; i < static_cast<int>(cached_.size()); ++i) cut(i, 0);
    fail(ErrorKind::kData, "the language model {} failed on a batch of {} tokens: {}",
         model_->path().string(), batch_->size(), llama_complaint());
  }
}

// Evaluates a prefix into a sequence of its own, where prompts find it, unless one has it already.
void LlamaLane::evaluate_prefix(const Tokens& tokens) {
  const auto first = cached_.begin() + static_cast<std::ptrdiff_t>(slots_.size());
  if (tokens.empty() || std::find(first, cached_.end(), tokens) != cached_.end()) return;
  const int sequence = static_cast<int>(slots_.size()) + next_prefix_;
  next_prefix_ = (next_prefix_ + 1) % kPrefixes;
  batch_->clear();
  for (size_t i = reuse(sequence, tokens); i < tokens.size(); ++i) {
    batch_->add(tokens[i], i, sequence, /*output=*/false);
  }
  if (batch_->size() > 0) decode();
  cached_[sequence] = tokens;
}

// Lays out a request's prompt. A job that comes back with an error in its response has ended.
std::shared_ptr<LlamaLane::Job> LlamaLane::open(CompletionRequest request) {
  if (request.sampling.candidates < 1 || request.sampling.max_tokens < 1) {
    fail(ErrorKind::kUsage,
         "a request asks for {} candidates of {} tokens, expected at least 1 of 1",
         request.sampling.candidates, request.sampling.max_tokens);
  }
  auto job = std::make_shared<Job>();
  job->request = std::move(request);
  job->response.id = job->request.id;

  std::vector<Message> messages;
  if (job->request.prefix) messages = *job->request.prefix;
  const Tokens prefix = messages.empty() ? Tokens() : model_->encode(messages, /*answer=*/false);
  messages.push_back({"user", job->request.prompt});
  job->prompt = model_->encode(messages, /*answer=*/true);
  job->response.prompt_tokens = static_cast<int64_t>(job->prompt.size());
  if (job->prompt.empty() || job->prompt.size() >= context_tokens_) {
    job->response.error =
        fmt::format("the prompt has {} tokens; a slot's context holds 1 to {} and a completion",
                    job->prompt.size(), context_tokens_ - 1);
    return job;
  }
  job->response.completions.resize(static_cast<size_t>(job->request.sampling.candidates));
  // Both were split into tokens as a whole, so that they may differ at the seam; what they share
  // is what counts.
  evaluate_prefix(Tokens(prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(
                                                              common_length(prefix, job->prompt))));
  return job;
}

// Gives a free slot work: the next candidate of a job whose prompt is evaluated, or a new job.
// Returns whether there was any.
bool LlamaLane::fill(Slot& slot, const Client& client) {
  int promised = 0;  // Slots that jobs will want once their prompts are evaluated.
  for (const auto& job : waiting_) {
    if (!job->logits.empty()) {
      start(slot, job, client);
      return true;
    }
    promised += job->request.sampling.candidates - job->started;
  }
  const auto free = std::ranges::count_if(slots_, [](const Slot& s) { return !s.job; });
  if (free <= promised) return false;
  std::optional<CompletionRequest> request = client.next();
  if (!request) return false;
  std::shared_ptr<Job> job = open(std::move(*request));
  if (!job->response.error.empty()) {
    client.done(std::move(job->response));
    return true;
  }
  waiting_.push_back(job);
  start(slot, std::move(job), client);
  return true;
}

// Starts the next candidate of `job`; the first one also evaluates the prompt.
void LlamaLane::start(Slot& slot, std::shared_ptr<Job> job, const Client& client) {
  slot.job = std::move(job);
  Job& own = *slot.job;
  slot.candidate = own.started++;
  slot.drawn = 0;
  if (own.started == own.request.sampling.candidates) std::erase(waiting_, slot.job);
  const bool evaluated = !own.logits.empty();
  const size_t known =
      reuse(index(slot), std::span(own.prompt).first(own.prompt.size() - (evaluated ? 0 : 1)));
  slot.input.assign(own.prompt.begin() + static_cast<std::ptrdiff_t>(known), own.prompt.end());
  if (evaluated) advance(slot, own.logits, client);
}

// Draws the next token of a slot's completion; ends the completion where that ends it.
void LlamaLane::advance(Slot& slot, std::span<const float> logits, const Client& client) {
  Job& job = *slot.job;
  const Sampling& sampling = job.request.sampling;
  if (client.observe) client.observe(job.request.id, slot.candidate, logits);
  const auto [token, log_probability] =
      draw(logits, sampling, uniform_at(job.request.seed, slot.candidate, slot.drawn++));
  Completion& completion = job.response.completions[static_cast<size_t>(slot.candidate)];
  completion.log_probability += (log_probability - completion.log_probability) / slot.drawn;
  if (model_->ends(token)) {
    completion.finish_reason = "stop";
  } else {
    completion.text += model_->piece(token);
    slot.input.push_back(token);
    const size_t held = cached_[index(slot)].size() + slot.input.size();
    if (slot.drawn < sampling.max_tokens && held < context_tokens_) return;
    completion.finish_reason = "length";
  }
  job.response.completion_tokens += slot.drawn;
  slot.input.clear();
  const std::shared_ptr<Job> ended = std::move(slot.job);
  if (++ended->finished == sampling.candidates) client.done(std::move(ended->response));
}

// Evaluates the input of every busy slot and draws the token after it.
void LlamaLane::step(const Client& client) {
  batch_->clear();
  for (Slot& slot : slots_) {
    Tokens& cached = cached_[index(slot)];
    for (size_t i = 0; i < slot.input.size(); ++i) {
      slot.output = batch_->add(slot.input[i], cached.size(), index(slot),
                                /*output=*/i + 1 == slot.input.size());
      cached.push_back(slot.input[i]);
    }
    slot.input.clear();
  }
  decode();
  const auto vocabulary = model_->vocabulary_size();
  for (Slot& slot : slots_) {
    if (!slot.job) continue;
    const std::span logits(llama_get_logits_ith(context_.get(), slot.output), vocabulary);
    if (slot.job->logits.empty()) slot.job->logits.assign(logits.begin(), logits.end());
    advance(slot, logits, client);
  }
}

void LlamaLane::run(const Client& client) {
  // An earlier run may have been stopped in the middle.
  for (Slot& slot : slots_) slot = Slot();
  waiting_.clear();
  while (!client.stop()) {
    for (Slot& slot : slots_) {
      while (!slot.job && fill(slot, client)) {
        if (client.stop()) return;
      }
    }
    if (std::ranges::none_of(slots_, [](const Slot& slot) { return slot.job != nullptr; })) return;
    step(client);
  }
}

}  // namespace paraclip
