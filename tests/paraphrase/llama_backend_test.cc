#include "paraclip/paraphrase/llama_backend.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/signals.h"
#include "tests/support.h"

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <tuple>

namespace paraclip {
namespace {

std::filesystem::path model_file() {
  return std::filesystem::path(PARACLIP_DEPS_DIR) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

#define NEEDS_MODEL() \
  if (!std::filesystem::exists(model_file())) GTEST_SKIP() << "needs " << model_file().string()

std::shared_ptr<const std::vector<Message>> prefix(const std::string& system) {
  return std::make_shared<const std::vector<Message>>(std::vector<Message>{
      {"system", system}, {"user", "Two dogs run."}, {"assistant", "A pair of dogs running."}});
}

CompletionRequest request(uint64_t id, const std::string& prompt) {
  CompletionRequest made;
  made.id = id;
  made.prefix = prefix("Rewrite the caption.");
  made.prompt = prompt;
  made.sampling = {/*temperature=*/1.0, /*top_p=*/0.95, /*max_tokens=*/6, /*candidates=*/2};
  made.seed = 1000 + id;
  return made;
}

std::vector<CompletionRequest> mixed_requests() {
  std::vector<CompletionRequest> requests = {
      request(0, "A man in a red jacket rides a horse along the shore of a lake at sunset."),
      request(1, "Snow."),
      request(2, "Three children build a tower of wooden blocks, and it is about to fall over."),
      request(3, "A cat sleeps."),
      request(4, "A man in a red jacket rides a bicycle."),
  };
  requests[3].prefix = prefix("Say it in other words, as short as you can.");
  requests[3].sampling.max_tokens = 3;
  requests[4].sampling.candidates = 4;
  requests[2].prefix = nullptr;
  return requests;
}

std::map<uint64_t, CompletionResponse> answer(Backend& backend,
                                              std::vector<CompletionRequest> requests) {
  std::map<uint64_t, CompletionResponse> responses;
  size_t position = 0;
  backend.run(
      [&]() -> std::optional<CompletionRequest> {
        if (position == requests.size()) return std::nullopt;
        return requests[position++];
      },
      [&](CompletionResponse response) {
        const uint64_t id = response.id;
        EXPECT_TRUE(responses.emplace(id, std::move(response)).second) << "answered twice: " << id;
      });
  return responses;
}

// The logits behind every token, by request and candidate, in the order of the text.
using LogitsLog = std::map<std::pair<uint64_t, int>, std::vector<std::vector<float>>>;

LogitsLog logits_of(const LlamaOptions& options, std::vector<CompletionRequest> requests) {
  LogitsLog log;
  std::mutex mutex;
  LlamaBackend backend(options);
  backend.observe_logits([&](uint64_t id, int candidate, std::span<const float> logits) {
    const std::lock_guard lock(mutex);
    log[{id, candidate}].emplace_back(logits.begin(), logits.end());
  });
  answer(backend, std::move(requests));
  return log;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

LlamaOptions options(int slots, int threads) {
  LlamaOptions made;
  made.model = model_file();
  made.slots = slots;
  made.context = 256;
  made.threads = threads;
  return made;
}

ErrorKind kind_of(const std::function<void()>& action, std::string* message = nullptr) {
  try {
    action();
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::kInterrupted;
}

TEST(LlamaOptionsTest, NamesWhatIsOutOfRange) {
  std::string message;
  LlamaOptions bad = options(/*slots=*/0, /*threads=*/1);
  EXPECT_EQ(kind_of([&] { bad.validate(); }, &message), ErrorKind::kUsage);
  EXPECT_NE(message.find("slots"), std::string::npos) << message;
  bad = options(1, -1);
  EXPECT_EQ(kind_of([&] { bad.validate(); }), ErrorKind::kUsage);
  bad = options(1, 1);
  bad.model.clear();
  EXPECT_EQ(kind_of([&] { bad.validate(); }), ErrorKind::kUsage);
  EXPECT_NO_THROW(options(1, 1).validate());
}

TEST(LlamaBackendTest, RefusesFilesThatAreNoModel) {
  test::TemporaryFolder folder;
  LlamaOptions bad = options(1, 1);
  bad.model = folder / "missing.gguf";
  EXPECT_EQ(kind_of([&] { LlamaBackend backend(bad); }), ErrorKind::kIo);
  std::string message;
  for (const char* content : {"", "GG", "not a model", "GGUF", "GGUF\3\0\0\0garbage"}) {
    bad.model = folder / "bad.gguf";
    write_file_atomic(bad.model, content);
    EXPECT_EQ(kind_of([&] { LlamaBackend backend(bad); }, &message), ErrorKind::kData) << content;
    EXPECT_NE(message.find("bad.gguf"), std::string::npos) << message;
  }
}

TEST(LlamaBackendTest, RefusesATruncatedModel) {
  NEEDS_MODEL();
  test::TemporaryFolder folder;
  LlamaOptions bad = options(1, 1);
  bad.model = folder / "cut.gguf";
  write_file_atomic(bad.model, MappedFile::open(model_file())->text().substr(0, 8 << 20));
  EXPECT_EQ(kind_of([&] { LlamaBackend backend(bad); }), ErrorKind::kData);
}

TEST(LlamaBackendTest, LogitsDoNotDependOnWhatRunsBeside) {
  NEEDS_MODEL();
  const std::vector<CompletionRequest> all = mixed_requests();
  LogitsLog alone;
  for (const CompletionRequest& one : all) alone.merge(logits_of(options(1, 1), {one}));
  ASSERT_EQ(alone.size(), 12U);

  const std::vector<CompletionRequest> reversed(all.rbegin(), all.rend());
  // Few slots: candidates wait for one another, and slots are taken over. Many: all at once.
  for (const auto& [slots, threads, requests] :
       {std::tuple(3, 1, all), std::tuple(16, 1, reversed), std::tuple(5, 2, all)}) {
    const LogitsLog together = logits_of(options(slots, threads), requests);
    ASSERT_EQ(together.size(), alone.size());
    for (const auto& [key, steps] : alone) {
      const auto& others = together.at(key);
      ASSERT_EQ(steps.size(), others.size()) << "request " << key.first;
      for (size_t i = 0; i < steps.size(); ++i) {
        EXPECT_TRUE(same_bits(steps[i], others[i]))
            << "request " << key.first << ", candidate " << key.second << ", token " << i << ", "
            << slots << " slots, " << threads << " threads";
      }
    }
  }
}

TEST(LlamaBackendTest, CandidatesAndSeedsDiffer) {
  NEEDS_MODEL();
  LlamaBackend backend(options(4, 1));
  CompletionRequest first = request(1, "A man in a red jacket rides a horse along the shore.");
  first.sampling.candidates = 3;
  first.sampling.temperature = 2.0;
  CompletionRequest other = first;
  other.id = 2;
  other.seed += 1;
  CompletionRequest again = first;
  again.id = 3;
  const auto responses = answer(backend, {first, other, again});
  std::vector<std::vector<std::string>> texts;
  for (const auto& [id, response] : responses) {
    texts.emplace_back();
    for (const Completion& completion : response.completions) {
      texts.back().push_back(completion.text);
    }
  }
  EXPECT_NE(texts[0][0], texts[0][1]);
  EXPECT_NE(texts[0], texts[1]);
  EXPECT_EQ(texts[0], texts[2]);
}

TEST(LlamaBackendTest, GreedyTakesTheLikeliestAndTellsItsProbability) {
  NEEDS_MODEL();
  LlamaBackend backend(options(2, 1));
  double total = 0.0;
  int count = 0;
  backend.observe_logits([&](uint64_t, int candidate, std::span<const float> logits) {
    if (candidate != 0) return;
    const float highest = *std::max_element(logits.begin(), logits.end());
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(double{logit} - highest);
    total -= std::log(sum);
    ++count;
  });
  CompletionRequest greedy = request(1, "A dog runs.");
  greedy.sampling.temperature = 0.0;
  greedy.sampling.max_tokens = 30;
  CompletionRequest narrow = greedy;  // A cut that leaves the likeliest only.
  narrow.sampling.temperature = 1.0;
  narrow.sampling.top_p = 1e-9;
  const CompletionResponse response = answer(backend, {greedy}).at(1);
  ASSERT_EQ(response.completions.size(), 2U);
  EXPECT_EQ(response.completions[0].text, response.completions[1].text);
  EXPECT_EQ(response.completions[0].finish_reason, "stop");
  EXPECT_FALSE(response.completions[0].text.empty());
  EXPECT_EQ(response.completions[0].text.find("<|"), std::string::npos);
  EXPECT_NEAR(response.completions[0].log_probability, total / count, 1e-6);
  EXPECT_EQ(response.completion_tokens, 2 * count);
  EXPECT_EQ(answer(backend, {narrow}).at(1).completions[0].text, response.completions[0].text);
}

TEST(LlamaBackendTest, CutsAtTheTokenLimitAndTheContext) {
  NEEDS_MODEL();
  LlamaOptions small = options(2, 1);
  small.context = 256;
  LlamaBackend backend(small);
  CompletionRequest brief = request(1, "A man in a red jacket rides a horse along the shore.");
  brief.sampling.max_tokens = 2;
  CompletionRequest nearly(request(2, "Count to one thousand: 1 2 3 4 5"));
  for (int i = 0; i < 85; ++i) nearly.prompt += " so";
  nearly.sampling.max_tokens = 500;
  nearly.sampling.temperature = 3.0;  // Too wild to end by itself.
  nearly.sampling.top_p = 1.0;
  CompletionRequest huge(request(3, std::string(5000, 'x') + " and much more"));
  const auto responses = answer(backend, {brief, huge, nearly});
  EXPECT_EQ(responses.at(1).completions[0].finish_reason, "length");
  EXPECT_EQ(responses.at(1).completion_tokens, 4);
  EXPECT_EQ(responses.at(2).completions[0].finish_reason, "length");
  EXPECT_EQ(responses.at(2).prompt_tokens + responses.at(2).completion_tokens / 2, 256);
  EXPECT_NE(responses.at(3).error.find("tokens"), std::string::npos);
  EXPECT_TRUE(responses.at(3).completions.empty());
}

TEST(LlamaBackendTest, AnswersMayAskOnAndExceptionsPass) {
  NEEDS_MODEL();
  LlamaBackend backend(options(4, 2));
  std::vector<CompletionRequest> queue = {request(0, "A dog runs."), request(1, "A cat sleeps.")};
  const auto next = [&]() -> std::optional<CompletionRequest> {
    if (queue.empty()) return std::nullopt;
    CompletionRequest front = queue.front();
    queue.erase(queue.begin());
    return front;
  };
  int answered = 0;
  backend.run(next, [&](CompletionResponse response) {
    ++answered;
    if (response.id < 4) queue.push_back(request(response.id + 2, response.completions[0].text));
  });
  EXPECT_EQ(answered, 6);

  queue = {request(0, "A dog runs."), request(1, "A cat sleeps.")};
  EXPECT_THROW(backend.run(next, [](CompletionResponse) { throw std::out_of_range("full"); }),
               std::out_of_range);
  EXPECT_THROW(
      backend.run([]() -> std::optional<CompletionRequest> { throw std::out_of_range("none"); },
                  [](CompletionResponse) {}),
      std::out_of_range);
  CompletionRequest nothing = request(0, "A dog runs.");
  nothing.sampling.candidates = 0;
  EXPECT_EQ(kind_of([&] { answer(backend, {nothing}); }), ErrorKind::kUsage);
  EXPECT_EQ(answer(backend, {request(5, "A dog runs.")}).size(), 1U);
}

TEST(LlamaBackendDeathTest, StopsWhenAsked) {
  NEEDS_MODEL();
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        install_stop_handler();
        LlamaBackend backend(options(2, 2));
        uint64_t id = 0;
        backend.run([&]() -> std::optional<CompletionRequest> { return request(id++, "A dog."); },
                    [](CompletionResponse) { std::raise(SIGTERM); });
        std::_Exit(stop_requested() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(LlamaBackendTest, NamesTheModelAndItsContent) {
  NEEDS_MODEL();
  EXPECT_EQ(LlamaBackend(options(1, 1)).name(), "SmolLM2-135M-Instruct.Q4_1 (a6b955c9a0157751)");
}

}  // namespace
}  // namespace paraclip
