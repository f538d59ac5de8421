#include "paraclip/paraphrase/http_backend.h"

#include "paraclip/base/file.h"
#include "paraclip/base/random.h"
#include "paraclip/paraphrase/pipeline.h"
#include "tests/base/expect_error.h"
#include "tests/io/http_server.h"
#include "tests/paraphrase/unreliable_server.h"
#include "tests/support.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

namespace paraclip {
namespace {

using test::chat_answer;
using test::expect_error;
using test::HttpQuery;
using test::HttpReply;
using test::HttpServer;
using test::UnreliableServer;

HttpBackendOptions quick(const HttpServer& server) {
  HttpBackendOptions options;
  options.base_url = server.url() + "/v1";
  options.model = "test-model";
  options.first_delay = 0.01;
  options.longest_delay = 0.05;
  return options;
}

// Asks `prompts` and returns the responses by their place.
std::map<uint64_t, CompletionResponse> ask(const HttpBackendOptions& options,
                                           const std::vector<std::string>& prompts) {
  HttpBackend backend(options);
  std::map<uint64_t, CompletionResponse> responses;
  size_t asked = 0;
  backend.run(
      [&]() -> std::optional<CompletionRequest> {
        if (asked == prompts.size()) return std::nullopt;
        CompletionRequest request;
        request.id = asked;
        request.prompt = prompts[asked++];
        return request;
      },
      [&](CompletionResponse response) {
        EXPECT_TRUE(responses.emplace(response.id, response).second) << "answered twice";
      });
  return responses;
}

TEST(ChatRequest, HasTheOfficialFields) {
  CompletionRequest request;
  request.prefix =
      std::make_shared<const std::vector<Message>>(std::vector<Message>{{"system", "Be brief."}});
  request.prompt = "Say it anew";
  request.seed = 0xffffffffffffffff;
  EXPECT_EQ(dump_json(chat_request(request, "gpt")),
            R"({"model":"gpt","messages":[{"role":"system","content":"Be brief."},)"
            R"({"role":"user","content":"Say it anew"}],"temperature":1.0,"top_p":0.1,)"
            R"("max_tokens":512,"seed":2147483647})");
  request.sampling.candidates = 3;
  EXPECT_EQ(chat_request(request, "gpt")["n"], 3);
}

TEST(ChatResponse, ReadsChoicesAndUsage) {
  const CompletionResponse response = parse_chat_response(
      R"({"choices": [{"message": {"content": "a"}, "finish_reason": "length"},
                      {"message": {"content": null, "refusal": "no"}, "finish_reason": null}],
          "usage": {"prompt_tokens": 3, "completion_tokens": 2}})");
  ASSERT_EQ(response.completions.size(), 2u);
  EXPECT_EQ(response.completions[0].text, "a");
  EXPECT_EQ(response.completions[0].finish_reason, "length");
  EXPECT_EQ(response.completions[1].text, "");
  EXPECT_EQ(response.completions[1].finish_reason, "stop");
  EXPECT_EQ(response.prompt_tokens, 3);
  EXPECT_EQ(response.completion_tokens, 2);
}

TEST(ChatResponse, RefusesWhatIsNone) {
  for (const char* body : {"", "{", "[]", "{}", "null", R"({"choices": []})", R"({"choices": {}})",
                           R"({"choices": [1]})", R"({"choices": [{"text": "a"}]})",
                           R"({"choices": [{"message": {"content": 5}}]})",
                           R"({"error": {"message": "overloaded"}})"}) {
    expect_error(ErrorKind::kData, {"the server's answer"}, [&] { parse_chat_response(body); });
  }
}

TEST(HttpBackend, AsksAndNamesItself) {
  HttpQuery seen;
  std::mutex mutex;
  const HttpServer server([&](const HttpQuery& query) {
    const std::lock_guard lock(mutex);
    seen = query;
    return HttpReply{.body = chat_answer("fine")};
  });
  HttpBackendOptions options = quick(server);
  options.base_url += "/";
  options.api_key = "sk-secret";
  options.request_fields = Json{{"max_tokens", nullptr}, {"max_completion_tokens", 9}};
  const auto responses = ask(options, {"hello"});
  EXPECT_EQ(responses.at(0).completions.at(0).text, "fine");
  EXPECT_EQ(seen.path, "/v1/chat/completions");
  EXPECT_EQ(seen.authorization, "Bearer sk-secret");
  const Json body = parse_json(seen.body, "body");
  EXPECT_FALSE(body.contains("max_tokens"));
  EXPECT_EQ(body["max_completion_tokens"], 9);
  EXPECT_EQ(HttpBackend(options).name(), "test-model at " + server.url() + "/v1");
}

TEST(HttpBackend, KeepsManyRequestsInFlight) {
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  const HttpServer server([&](const HttpQuery&) {
    const int count = ++now;
    for (int seen = most; seen < count && !most.compare_exchange_weak(seen, count);) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    --now;
    return HttpReply{.body = chat_answer("fine")};
  });
  HttpBackendOptions options = quick(server);
  options.concurrency = 6;
  EXPECT_EQ(ask(options, std::vector<std::string>(30, "x")).size(), 30u);
  EXPECT_GT(most, 1);
  EXPECT_LE(most, 6);
}

TEST(HttpBackend, WaitsAsLongAsTheServerAsks) {
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::time_point> times;
  const HttpServer server([&](const HttpQuery&) {
    times.push_back(Clock::now());
    return times.size() == 1 ? HttpReply{.status = 429, .headers = {{"Retry-After", "1"}}}
                             : HttpReply{.body = chat_answer("fine")};
  });
  EXPECT_EQ(ask(quick(server), {"x"}).at(0).error, "");
  ASSERT_EQ(times.size(), 2u);
  EXPECT_GE(times[1] - times[0], std::chrono::milliseconds(900));
}

TEST(HttpBackend, ARequestThatIsRefusedFailsAlone) {
  const HttpServer server([](const HttpQuery& query) {
    return query.body.find("bad") == std::string::npos
               ? HttpReply{.body = chat_answer("fine")}
               : HttpReply{.status = 400, .body = R"({"error": {"message": "too rude"}})"};
  });
  const auto responses = ask(quick(server), {"a", "bad", "b", "bad"});
  EXPECT_EQ(responses.at(1).error, "HTTP 400: too rude");
  EXPECT_EQ(responses.at(3).error, "HTTP 400: too rude");
  EXPECT_EQ(responses.at(0).error + responses.at(2).error, "");
}

TEST(HttpBackend, ARequestThatKeepsFailingIsGivenUp) {
  std::atomic<int> tries = 0;
  const HttpServer server([&](const HttpQuery& query) {
    if (query.body.find("bad") == std::string::npos) return HttpReply{.body = chat_answer("fine")};
    ++tries;
    return HttpReply{.status = 500, .body = "oops"};
  });
  HttpBackendOptions options = quick(server);
  options.max_retries = 3;
  const auto responses = ask(options, {"a", "bad", "b"});
  EXPECT_EQ(responses.at(1).error, "HTTP 500: oops (after 4 tries)");
  EXPECT_EQ(tries, 4);
}

TEST(HttpBackend, ARefusedKeyStopsTheRunAndIsNotShown) {
  for (const int status : {401, 403, 404}) {
    const HttpServer server([&](const HttpQuery& query) {
      return HttpReply{.status = status,
                       .body = R"({"error": {"message": "wrong: )" + query.authorization + "\"}}"};
    });
    HttpBackendOptions options = quick(server);
    options.api_key = "sk-secret";
    options.api_key_hint = "MY_KEY";
    try {
      ask(options, {"a", "b"});
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_NE(message.find(std::to_string(status)), std::string::npos) << message;
      EXPECT_NE(message.find(status == 404 ? "--model-name" : "MY_KEY"), std::string::npos);
      EXPECT_EQ(message.find("sk-secret"), std::string::npos) << message;
    }
  }
}

TEST(HttpBackend, AServerThatIsNotThereStopsTheRun) {
  HttpBackendOptions options;
  {
    const HttpServer server([](const HttpQuery&) { return HttpReply{}; });
    options = quick(server);
  }
  options.max_retries = 1;
  for (const size_t prompts : {1, 30}) {
    expect_error(ErrorKind::kNetwork, {"/v1/chat/completions", "What was answered is kept"},
                 [&] { ask(options, std::vector<std::string>(prompts, "x")); });
  }
}

TEST(HttpBackend, AnOutageIsNotTakenForFailedCaptions) {
  const HttpServer server(
      [](const HttpQuery&) { return HttpReply{.status = 503, .body = "maintenance"}; });
  HttpBackendOptions options = quick(server);
  options.max_retries = 1;
  int reported = 0;
  HttpBackend backend(options);
  uint64_t id = 0;
  expect_error(ErrorKind::kNetwork, {"none of the last 8 requests", "HTTP 503: maintenance"}, [&] {
    backend.run(
        [&]() -> std::optional<CompletionRequest> {
          CompletionRequest request;
          request.id = id++;
          return request;
        },
        [&](const CompletionResponse&) { ++reported; });
  });
  EXPECT_EQ(reported, 0);
}

TEST(HttpBackend, OptionsAreChecked) {
  const auto refused = [](const std::string& message, auto change) {
    HttpBackendOptions options;
    options.model = "m";
    change(options);
    expect_error(ErrorKind::kUsage, {message}, [&] { HttpBackend backend(options); });
  };
  refused("base URL", [](auto& o) { o.base_url = "localhost:8080"; });
  refused("base URL", [](auto& o) { o.base_url = "http://"; });
  refused("user name or password", [](auto& o) { o.base_url = "https://me:key@host/v1"; });
  refused("no model", [](auto& o) { o.model = ""; });
  refused("control characters", [](auto& o) { o.api_key = "a\r\nX: y"; });
  refused("concurrency", [](auto& o) { o.concurrency = 0; });
  refused("time-out", [](auto& o) { o.timeout = 0; });
  refused("retries", [](auto& o) { o.max_retries = -1; });
  refused("delays", [](auto& o) { o.longest_delay = 0.1; });
  refused("request fields", [](auto& o) { o.request_fields = Json::array(); });
}

TEST(HttpBackend, NothingIsLostOrDoubledByAnUnreliableServer) {
  constexpr int kCaptions = 200;
  Recipe recipe;
  for (RecipeStep& step : recipe.steps) step.prompt = "Rewrite: {}";
  CaptionList captions;
  for (int i = 0; i < kCaptions; ++i)
    captions.add(i, "", fmt::format("a thing called {}", hash_hex(std::to_string(i))));
  UnreliableServer server;
  HttpBackendOptions options;
  options.base_url = server.url() + "/v1";
  options.model = "test-model";
  options.timeout = 1.5;
  options.first_delay = 0.01;
  options.longest_delay = 0.05;
  const test::TemporaryFolder folder;
  HttpBackend backend(options);
  const RunStatistics statistics =
      run_pipeline(captions, {.output = folder.path(), .recipe = recipe}, backend, {});

  EXPECT_EQ(statistics.triples, kCaptions);
  EXPECT_EQ(statistics.steps[0].requests + statistics.steps[1].requests, 2 * kCaptions);
  EXPECT_EQ(statistics.prompt_tokens, 2 * kCaptions * 11);
  EXPECT_EQ(server.answered.size(), 2u * kCaptions);
  for (const auto& [question, times] : server.answered) EXPECT_EQ(times, 1) << question;
  EXPECT_EQ(server.faults.size(), 5u) << "every kind of fault should have happened";
  std::map<std::string, int> journal;
  const std::string text = read_file(folder / "journal.jsonl");
  for (size_t begin = text.find('\n') + 1; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    const Json record = parse_json(text.substr(begin, end - begin), "journal");
    ++journal[fmt::format("{}/{}", dump_json(record["index"]), dump_json(record["step"]))];
    begin = end + 1;
  }
  EXPECT_EQ(journal.size(), 2u * kCaptions);
  for (const auto& [place, times] : journal) EXPECT_EQ(times, 1) << place;
  int faults = 0;
  for (const auto& [kind, times] : server.faults) faults += times;
  fmt::print("{} captions, {} questions, {} faults of {} kinds: {} triples, {} answers journaled\n",
             kCaptions, server.answered.size(), faults, server.faults.size(), statistics.triples,
             journal.size());
}

// The program itself, killed at random moments while such a server answers it.
TEST(HttpBackend, AKilledProgramLosesAndDoublesNothingEither) {
  const test::TemporaryFolder folder;
  std::string captions;
  for (int i = 0; i < 200; ++i)
    captions += fmt::format("a thing called {}\n", hash_hex(std::to_string(i)));
  write_file_atomic(folder / "captions.txt", captions);
  const Json step = {
      {"prompt", "Rewrite: {}"}, {"temperature", 1}, {"top_p", 1}, {"max_tokens", 9}};
  write_file_atomic(folder / "recipe.json",
                    dump_json({{"name", "test"}, {"steps", Json::array({step, step})}}));
  UnreliableServer server;
  const std::string command = fmt::format(
      "'{}/scripts/check_resume' '{}' '{}' --kills 3 -- --backend http --base-url '{}/v1' "
      "--model-name m --recipe '{}' --timeout 1.5 --concurrency 16",
      PARACLIP_SOURCE_DIR, test::program(), (folder / "captions.txt").string(), server.url(),
      (folder / "recipe.json").string());
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(server.faults.size(), 5u);
}

}  // namespace
}  // namespace paraclip
