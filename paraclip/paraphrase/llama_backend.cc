#include "paraclip/paraphrase/llama_backend.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/random.h"
#include "paraclip/base/signals.h"

#include <ggml-cpu.h>
#include <llama-cpp.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace paraclip {
namespace {

constexpr int kPrefixes = 4;  // Prefixes kept evaluated; a pipeline of two steps uses two.
constexpr int kMaxSlots = 128;
constexpr int kMicroBatch = 128;  // Tokens computed at once. The result does not depend on it.

using Tokens = std::vector<llama_token>;
using Next = std::function<std::optional<CompletionRequest>()>;
using Done = std::function<void(CompletionResponse)>;

// What llama.cpp last complained about on this thread: it reports failures only to its log.
thread_local std::string last_complaint;

void forward_log(ggml_log_level level, const char* text, void*) {
  std::string_view line = text;
  while (!line.empty() && (line.back() == '\n' || line.back() == '.')) line.remove_suffix(1);
  if (line.empty()) return;
  if (level == GGML_LOG_LEVEL_ERROR) last_complaint = line;
  log().debug("llama.cpp: {}", line);
}

void initialize_llama() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Of its two kernels for K-quants ggml takes one by the number of rows, and they round
    // differently: with one of them only, a row does not depend on its neighbours.
    ::setenv("GGML_CPU_TILED_MM", "0", /*overwrite=*/1);
    llama_log_set(forward_log, nullptr);
    llama_backend_init();
  });
}

// Draws a token from softmax(logits / temperature) cut to the likeliest tokens whose probabilities
// reach top_p. `uniform` is in [0, 1). Temperature 0 takes the likeliest. Ties go to the lower id.
llama_token draw(std::span<const float> logits, const Sampling& sampling, double uniform) {
  const auto likeliest = std::max_element(logits.begin(), logits.end());
  if (sampling.temperature <= 0.0) return static_cast<llama_token>(likeliest - logits.begin());

  // Below e^-25 of the likeliest, even the whole vocabulary together is under rounding error.
  struct Choice {
    double weight;
    llama_token token;
  };
  thread_local std::vector<Choice> choices;
  choices.clear();
  const float least = *likeliest - static_cast<float>(25.0 * sampling.temperature);
  double total = 0.0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] < least) continue;
    const double weight = std::exp((double{logits[i]} - *likeliest) / sampling.temperature);
    choices.push_back({weight, static_cast<llama_token>(i)});
    total += weight;
  }

  const auto less_likely = [](const Choice& a, const Choice& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.token > b.token;
  };
  std::make_heap(choices.begin(), choices.end(), less_likely);
  double kept = 0.0;
  auto rest = choices.end();
  while (rest != choices.begin() && kept < sampling.top_p * total) {
    std::pop_heap(choices.begin(), rest, less_likely);
    kept += (--rest)->weight;
  }
  // The kept ones now stand at the end, the likeliest last.
  double target = uniform * kept;
  for (auto choice = choices.end(); choice-- != rest;) {
    target -= choice->weight;
    if (target < 0.0) return choice->token;
  }
  return static_cast<llama_token>(likeliest - logits.begin());
}

// The number behind the choice of one token: a pure function of the request and the place.
double uniform_at(uint64_t seed, int candidate, int position) {
  const uint64_t stream = mix64(seed + mix64(static_cast<uint64_t>(candidate) + 1));
  return static_cast<double>(mix64(stream + static_cast<uint64_t>(position)) >> 11) * 0x1.0p-53;
}

size_t common_length(std::span<const llama_token> a, std::span<const llama_token> b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

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

// Tokens of several sequences, to be evaluated together.
class Batch {
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

}  // namespace

void LlamaOptions::validate() const {
  if (model.empty()) fail(ErrorKind::kUsage, "no language model was named: give a GGUF file");
  const auto check = [](const char* name, int value, int least, int most) {
    if (value < least || value > most) {
      fail(ErrorKind::kUsage, "{} is {}: expected {} to {}", name, value, least, most);
    }
  };
  check("slots of the language model", slots, 1, kMaxSlots);
  check("context of the language model", context, 16, 1 << 20);
  check("threads of the language model", threads, 0, 512);
}

class LlamaBackend::Engine {
 public:
  explicit Engine(const LlamaOptions& options);

  void run(const Next& next, const Done& done);

  LogitsObserver observer;

 private:
  bool fill(Slot& slot, const Next& next, const Done& done);
  std::shared_ptr<Job> open(CompletionRequest request);
  void start(Slot& slot, std::shared_ptr<Job> job, const Done& done);
  void advance(Slot& slot, std::span<const float> logits, const Done& done);
  void step(const Done& done);

  std::string render(std::span<const Message> messages, bool ask) const;
  Tokens tokenize(const std::string& text) const;
  std::string piece(llama_token token) const;
  void evaluate_prefix(const Tokens& tokens);
  size_t reuse(int sequence, std::span<const llama_token> tokens);
  void cut(int sequence, size_t length);
  void decode();

  int index(const Slot& slot) const { return static_cast<int>(&slot - slots_.data()); }

  std::filesystem::path path_;
  size_t context_tokens_;
  llama_model_ptr model_;
  llama_context_ptr context_;
  std::unique_ptr<ggml_threadpool, decltype(&ggml_threadpool_free)> threads_{nullptr,
                                                                             ggml_threadpool_free};
  const llama_vocab* vocab_ = nullptr;
  std::string chat_template_;
  Batch batch_;
  std::vector<Slot> slots_;
  std::vector<Tokens> cached_;  // What each sequence holds evaluated: the slots', then prefixes.
  int next_prefix_ = 0;         // Whose place among the prefixes a new one takes.
  std::deque<std::shared_ptr<Job>> waiting_;  // Jobs with candidates to start.
};

LlamaBackend::Engine::Engine(const LlamaOptions& options)
    : path_(options.model),
      context_tokens_(static_cast<size_t>(options.context)),
      batch_((options.slots + 1) * options.context),
      slots_(static_cast<size_t>(options.slots)),
      cached_(static_cast<size_t>(options.slots + kPrefixes)) {
  initialize_llama();
  last_complaint.clear();
  llama_model_params model_params = llama_model_default_params();
  model_params.n_gpu_layers = 0;
  model_.reset(llama_model_load_from_file(path_.c_str(), model_params));
  if (!model_) {
    fail(ErrorKind::kData,
         "cannot load the language model {}: {}; expected a GGUF model that llama.cpp runs",
         path_.string(), last_complaint.empty() ? "no reason given" : last_complaint);
  }
  // A recurrent state can be neither cut back to a shared prompt nor computed in any batch alike.
  if (!llama_model_has_decoder(model_.get()) || llama_model_has_encoder(model_.get()) ||
      llama_model_is_recurrent(model_.get()) || llama_model_is_hybrid(model_.get())) {
    fail(ErrorKind::kData,
         "the language model {} is not a plain transformer decoder, expected one; choose another "
         "model",
         path_.string());
  }

  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  llama_context_params params = llama_context_default_params();
  params.n_seq_max = static_cast<uint32_t>(cached_.size());
  params.n_ctx = params.n_seq_max * static_cast<uint32_t>(options.context);
  params.n_batch = static_cast<uint32_t>((options.slots + 1) * options.context);
  params.n_ubatch = kMicroBatch;
  params.n_outputs_max = params.n_seq_max;
  params.n_threads = threads;
  params.n_threads_batch = threads;
  params.no_perf = true;
  // What makes logits independent of the batch: a cache of its own for each sequence, so that where
  // its cells lie does not depend on others, and plain attention, as the fused one splits its sums
  // by the size of the batch and the number of threads.
  params.kv_unified = false;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  context_.reset(llama_init_from_model(model_.get(), params));
  if (!context_) {
    fail(ErrorKind::kData,
         "cannot run the language model {} with {} slots of {} tokens: {}; use less of either or a "
         "smaller model",
         path_.string(), options.slots, options.context,
         last_complaint.empty() ? "no reason given" : last_complaint);
  }
  ggml_threadpool_params pool = ggml_threadpool_params_default(threads);
  threads_.reset(ggml_threadpool_new(&pool));
  llama_attach_threadpool(context_.get(), threads_.get(), threads_.get());

  vocab_ = llama_model_get_vocab(model_.get());
  const char* own_template = llama_model_chat_template(model_.get(), /*name=*/nullptr);
  const llama_chat_message probe = {"user", "?"};
  const bool known = own_template != nullptr &&
                     llama_chat_apply_template(own_template, &probe, 1, true, nullptr, 0) >= 0;
  chat_template_ = known ? own_template : "chatml";
}

std::string LlamaBackend::Engine::render(std::span<const Message> messages, bool ask) const {
  std::vector<llama_chat_message> chat;
  for (const Message& message : messages) {
    chat.push_back({message.role.c_str(), message.content.c_str()});
  }
  const auto apply = [&](char* buffer, int32_t size) {
    return llama_chat_apply_template(chat_template_.c_str(), chat.data(), chat.size(), ask, buffer,
                                     size);
  };
  std::string text(static_cast<size_t>(std::max(0, apply(nullptr, 0))), '\0');
  apply(text.data(), static_cast<int32_t>(text.size()));
  return text;
}

Tokens LlamaBackend::Engine::tokenize(const std::string& text) const {
  const auto convert = [&](Tokens& tokens) {
    return llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                          static_cast<int32_t>(tokens.size()), /*add_special=*/true,
                          /*parse_special=*/true);
  };
  Tokens tokens(text.size() + 8);
  tokens.resize(static_cast<size_t>(std::max(0, convert(tokens))));
  return tokens;
}

std::string LlamaBackend::Engine::piece(llama_token token) const {
  std::string text(64, '\0');
  const auto convert = [&] {
    return llama_token_to_piece(vocab_, token, text.data(), static_cast<int32_t>(text.size()),
                                /*lstrip=*/0, /*special=*/false);
  };
  int32_t size = convert();
  if (size < 0) {
    text.resize(static_cast<size_t>(-size));
    size = convert();
  }
  text.resize(static_cast<size_t>(std::max(0, size)));
  return text;
}

void LlamaBackend::Engine::cut(int sequence, size_t length) {
  cached_[sequence].resize(length);
  llama_memory_seq_rm(llama_get_memory(context_.get()), sequence, static_cast<llama_pos>(length),
                      -1);
}

// Makes `sequence` hold the longest beginning of `tokens` that any sequence has evaluated, and
// nothing else. Returns its length.
size_t LlamaBackend::Engine::reuse(int sequence, std::span<const llama_token> tokens) {
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

void LlamaBackend::Engine::decode() {
  if (llama_decode(context_.get(), batch_.get()) != 0) {
    fail(ErrorKind::kData, "the language model {} failed on a batch of {} tokens: {}",
         path_.string(), batch_.size(),
         last_complaint.empty() ? "no reason given" : last_complaint);
  }
}

// Evaluates a prefix into a sequence of its own, where prompts find it, unless one has it already.
void LlamaBackend::Engine::evaluate_prefix(const Tokens& tokens) {
  const auto first = cached_.begin() + static_cast<std::ptrdiff_t>(slots_.size());
  if (std::find(first, cached_.end(), tokens) != cached_.end()) return;
  const int sequence = static_cast<int>(slots_.size()) + next_prefix_;
  next_prefix_ = (next_prefix_ + 1) % kPrefixes;
  batch_.clear();
  for (size_t i = reuse(sequence, tokens); i < tokens.size(); ++i) {
    batch_.add(tokens[i], i, sequence, /*output=*/false);
  }
  if (batch_.size() > 0) decode();
  cached_[sequence] = tokens;
}

// Lays out a request's prompt. A job that comes back with an error in its response has ended.
std::shared_ptr<Job> LlamaBackend::Engine::open(CompletionRequest request) {
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
  const Tokens prefix = messages.empty() ? Tokens() : tokenize(render(messages, /*ask=*/false));
  messages.push_back({"user", job->request.prompt});
  job->prompt = tokenize(render(messages, /*ask=*/true));
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
bool LlamaBackend::Engine::fill(Slot& slot, const Next& next, const Done& done) {
  int promised = 0;  // Slots that jobs will want once their prompts are evaluated.
  for (const auto& job : waiting_) {
    if (!job->logits.empty()) {
      start(slot, job, done);
      return true;
    }
    promised += job->request.sampling.candidates - job->started;
  }
  const auto free = std::ranges::count_if(slots_, [](const Slot& s) { return !s.job; });
  if (free <= promised) return false;
  std::optional<CompletionRequest> request = next();
  if (!request) return false;
  std::shared_ptr<Job> job = open(std::move(*request));
  if (!job->response.error.empty()) {
    done(std::move(job->response));
    return true;
  }
  waiting_.push_back(job);
  start(slot, std::move(job), done);
  return true;
}

// Starts the next candidate of `job`; the first one also evaluates the prompt.
void LlamaBackend::Engine::start(Slot& slot, std::shared_ptr<Job> job, const Done& done) {
  slot.job = std::move(job);
  Job& own = *slot.job;
  slot.candidate = own.started++;
  slot.drawn = 0;
  if (own.started == own.request.sampling.candidates) std::erase(waiting_, slot.job);
  const bool evaluated = !own.logits.empty();
  const size_t known =
      reuse(index(slot), std::span(own.prompt).first(own.prompt.size() - (evaluated ? 0 : 1)));
  slot.input.assign(own.prompt.begin() + static_cast<std::ptrdiff_t>(known), own.prompt.end());
  if (evaluated) advance(slot, own.logits, done);
}

// Draws the next token of a slot's completion; ends the completion where that ends it.
void LlamaBackend::Engine::advance(Slot& slot, std::span<const float> logits, const Done& done) {
  Job& job = *slot.job;
  const Sampling& sampling = job.request.sampling;
  if (observer) observer(job.request.id, slot.candidate, logits);
  const llama_token token =
      draw(logits, sampling, uniform_at(job.request.seed, slot.candidate, slot.drawn++));
  Completion& completion = job.response.completions[static_cast<size_t>(slot.candidate)];
  if (llama_vocab_is_eog(vocab_, token)) {
    completion.finish_reason = "stop";
  } else {
    completion.text += piece(token);
    slot.input.push_back(token);
    const size_t held = cached_[index(slot)].size() + slot.input.size();
    if (slot.drawn < sampling.max_tokens && held < context_tokens_) return;
    completion.finish_reason = "length";
  }
  job.response.completion_tokens += slot.drawn;
  slot.input.clear();
  const std::shared_ptr<Job> ended = std::move(slot.job);
  if (++ended->finished == sampling.candidates) done(std::move(ended->response));
}

// Evaluates the input of every busy slot and draws the token after it.
void LlamaBackend::Engine::step(const Done& done) {
  batch_.clear();
  for (Slot& slot : slots_) {
    Tokens& cached = cached_[index(slot)];
    for (size_t i = 0; i < slot.input.size(); ++i) {
      slot.output = batch_.add(slot.input[i], cached.size(), index(slot),
                               /*output=*/i + 1 == slot.input.size());
      cached.push_back(slot.input[i]);
    }
    slot.input.clear();
  }
  decode();
  const auto vocabulary = static_cast<size_t>(llama_vocab_n_tokens(vocab_));
  for (Slot& slot : slots_) {
    if (!slot.job) continue;
    const std::span logits(llama_get_logits_ith(context_.get(), slot.output), vocabulary);
    if (slot.job->logits.empty()) slot.job->logits.assign(logits.begin(), logits.end());
    advance(slot, logits, done);
  }
}

void LlamaBackend::Engine::run(const Next& next, const Done& done) {
  // An earlier run may have ended by an exception, with evaluation in an unknown state.
  for (Slot& slot : slots_) slot = Slot();
  waiting_.clear();
  for (int sequence = 0; sequence < static_cast<int>(cached_.size()); ++sequence) cut(sequence, 0);
  while (!stop_requested()) {
    for (Slot& slot : slots_) {
      while (!slot.job && fill(slot, next, done)) {
        if (stop_requested()) return;
      }
    }
    if (std::ranges::none_of(slots_, [](const Slot& slot) { return slot.job != nullptr; })) return;
    step(done);
  }
}

LlamaBackend::LlamaBackend(const LlamaOptions& options) {
  options.validate();
  {
    const auto file = MappedFile::open(options.model);
    const std::string_view content = file->text();
    if (!content.starts_with("GGUF")) {
      fail(ErrorKind::kData,
           "{} is not a GGUF file: it does not begin with \"GGUF\"; name a language model in that "
           "format",
           options.model.string());
    }
    const std::string start(content.substr(0, 1 << 20));
    name_ = fmt::format("{} ({})", options.model.stem().string(),
                        hash_hex(start + std::to_string(content.size())));
  }
  engine_ = std::make_unique<Engine>(options);
}

LlamaBackend::~LlamaBackend() = default;

std::string LlamaBackend::name() const { return name_; }

void LlamaBackend::run(const std::function<std::optional<CompletionRequest>()>& next,
                       const std::function<void(CompletionResponse)>& done) {
  engine_->run(next, done);
}

void LlamaBackend::observe_logits(LogitsObserver observer) {
  engine_->observer = std::move(observer);
}

}  // namespace paraclip
