#include "paraclip/paraphrase/http_backend.h"

#include "paraclip/base/error.h"
#include "paraclip/base/log.h"
#include "paraclip/base/signals.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <unordered_map>
#include <utility>

namespace paraclip {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kPollSeconds = 0.1;           // Between looks at stop_requested().
constexpr double kLongestRetryAfter = 3600.0;  // Seconds; a server that asks for more is asked.
constexpr size_t kFailuresInARow = 8;          // Without an answer: nobody is there to answer.
constexpr double kConnectTimeout = 10.0;
constexpr int kOk = 200;

bool is_transient(int status) {
  return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

bool is_for_all(int status) { return status == 401 || status == 403 || status == 404; }

std::string one_line(std::string_view text) {
  constexpr size_t kLongest = 200;
  std::string line(text.substr(0, kLongest));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return line;
}

// What an error body says: {"error": {"message": ..}}, or its beginning.
std::string error_text(const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("error")) {
    const Json& error = json["error"];
    if (error.is_string()) return one_line(error.get<std::string>());
    if (error.is_object() && error.contains("message") && error["message"].is_string())
      return one_line(error["message"].get<std::string>());
  }
  return one_line(body);
}

// One call of HttpBackend::run().
class Run {
 public:
  using Next = std::function<std::optional<CompletionRequest>()>;
  using Done = std::function<void(CompletionResponse)>;

  Run(const HttpBackendOptions& options, const Next& next, const Done& done)
      : options_(options),
        next_(next),
        done_(done),
        url_(options.base_url + "/chat/completions"),
        client_({.connect_timeout = std::min(kConnectTimeout, options.timeout),
                 .timeout = options.timeout}),
        jitter_(std::random_device{}()) {}

  void operator()() {
    while (!stop_requested()) {
      start_new();
      start_again();
      if (pending_.empty()) {
        if (failures_.empty()) return;
        settle_failures();
        continue;
      }
      for (const HttpResponse& response : client_.poll(kPollSeconds)) receive(response);
    }
  }

 private:
  struct Pending {
    std::string body;
    int tries = 0;
    bool waiting = false;
    Clock::time_point due;
  };

  void start_new() {
    while (pending_.size() < static_cast<size_t>(options_.concurrency)) {
      const std::optional<CompletionRequest> request = next_();
      if (!request) return;
      Json body = chat_request(*request, options_.model);
      body.merge_patch(options_.request_fields);
      Pending& pending = pending_[request->id];
      pending.body = dump_json(body);
      submit(request->id, pending);
    }
  }

  void start_again() {
    const Clock::time_point now = Clock::now();
    for (auto& [id, pending] : pending_) {
      if (pending.waiting && pending.due <= now) submit(id, pending);
    }
  }

  void submit(uint64_t id, Pending& pending) {
    ++pending.tries;
    pending.waiting = false;
    HttpRequest request{.id = id, .url = url_, .headers = {}, .body = pending.body};
    request.headers = {"Content-Type: application/json", "Accept: application/json"};
    if (!options_.api_key.empty())
      request.headers.push_back("Authorization: Bearer " + options_.api_key);
    client_.submit(std::move(request));
  }

  void receive(const HttpResponse& response) {
    reached_ = reached_ || response.status != 0;
    if (response.status == kOk) return receive_answer(response);
    const std::string problem = response.status == 0 ? response.error
                                                     : fmt::format("HTTP {}: {}", response.status,
                                                                   error_text(response.body));
    if (is_for_all(response.status)) refuse(response.status, problem);
    if (response.status == 0 || is_transient(response.status)) {
      retry(response.id, problem, response.retry_after);
    } else {
      give_up(response.id, problem);
    }
  }

  void receive_answer(const HttpResponse& response) {
    CompletionResponse answer;
    try {
      answer = parse_chat_response(response.body);
    } catch (const Error& error) {
      return retry(response.id, error.what(), response.retry_after);
    }
    answer.id = response.id;
    pending_.erase(response.id);
    done_(std::move(answer));
    report_failures();
  }

  void retry(uint64_t id, const std::string& problem, double retry_after) {
    Pending& pending = pending_.at(id);
    if (pending.tries > options_.max_retries)
      return give_up(id, fmt::format("{} (after {} tries)", problem, pending.tries));
    const double back_off =
        std::min(options_.longest_delay, std::ldexp(options_.first_delay, pending.tries - 1));
    const double spread = std::uniform_real_distribution<double>(0.5, 1.0)(jitter_);
    const double seconds = std::max(back_off * spread, std::min(retry_after, kLongestRetryAfter));
    pending.waiting = true;
    pending.due = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                     std::chrono::duration<double>(seconds));
    log().debug("try {} of a request failed, next in {:.1f} s: {}", pending.tries, seconds,
                redacted(problem));
  }

  // A failure is held back until an answer to something else shows that the server is there.
  void give_up(uint64_t id, const std::string& problem) {
    pending_.erase(id);
    CompletionResponse failure;
    failure.id = id;
    failure.error = redacted(problem);
    failures_.push_back(std::move(failure));
    if (failures_.size() >= kFailuresInARow) fail_run();
  }

  void report_failures() {
    for (CompletionResponse& failure : std::exchange(failures_, {})) done_(std::move(failure));
  }

  // Nothing else is left to ask.
  void settle_failures() {
    if (!reached_) fail_run();
    report_failures();
  }

  [[noreturn]] void fail_run() const {
    fail(ErrorKind::kNetwork,
         "{} answered none of the last {} requests; the last one: {}. What was answered is kept: "
         "run the same command to go on",
         url_, failures_.size(), failures_.back().error);
  }

  [[noreturn]] void refuse(int status, const std::string& problem) const {
    const std::string advice =
        status == 404 ? fmt::format("check --base-url and --model-name ({})", options_.model)
        : options_.api_key.empty()
            ? fmt::format("no key was sent: set the environment variable {}", options_.api_key_hint)
            : fmt::format("check the key in the environment variable {}", options_.api_key_hint);
    fail(ErrorKind::kUsage, "{} refused the request with {}; {}", url_, redacted(problem), advice);
  }

  // Servers like to quote the key that they refuse.
  std::string redacted(std::string text) const {
    if (options_.api_key.empty()) return text;
    for (size_t at = 0; (at = text.find(options_.api_key, at)) != std::string::npos;)
      text.replace(at, options_.api_key.size(), "***");
    return text;
  }

  const HttpBackendOptions& options_;
  const Next& next_;
  const Done& done_;
  std::string url_;
  HttpClient client_;
  std::minstd_rand jitter_;
  std::unordered_map<uint64_t, Pending> pending_;  // In flight, or waiting for another try.
  std::vector<CompletionResponse> failures_;       // Since the last answer.
  bool reached_ = false;                           // The server has sent a status.
};

}  // namespace

void HttpBackendOptions::validate() const {
  const bool http = base_url.starts_with("http://") || base_url.starts_with("https://");
  const size_t host = http ? base_url.find("//") + 2 : 0;
  if (!http || base_url.find_first_of("?# \t\r\n") != std::string::npos || base_url.size() == host)
    fail(ErrorKind::kUsage, "the base URL is '{}', expected one like http://localhost:8080/v1",
         base_url);
  if (base_url.substr(host, base_url.find('/', host) - host).find('@') != std::string::npos) {
    fail(ErrorKind::kUsage,
         "the base URL holds a user name or password, which would end up in files: put the key in "
         "an environment variable and name it with --api-key-env");
  }
  if (model.empty()) fail(ErrorKind::kUsage, "no model is named: give --model-name");
  const auto hidden = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  if (std::any_of(api_key.begin(), api_key.end(), hidden)) {
    fail(ErrorKind::kUsage, "the key in {} has blanks or control characters in it", api_key_hint);
  }
  if (concurrency < 1 || concurrency > 4096)
    fail(ErrorKind::kUsage, "the concurrency is {}, expected 1 to 4096", concurrency);
  if (!(timeout > 0))
    fail(ErrorKind::kUsage, "the time-out is {} s, expected more than 0", timeout);
  if (max_retries < 0 || max_retries > 100)
    fail(ErrorKind::kUsage, "the number of retries is {}, expected 0 to 100", max_retries);
  if (!(first_delay >= 0 && longest_delay >= first_delay)) {
    fail(ErrorKind::kUsage,
         "the delays between tries are {} to {} s, expected 0 <= first <= longest", first_delay,
         longest_delay);
  }
  if (!request_fields.is_object())
    fail(ErrorKind::kUsage, "the request fields are not a JSON object");
}

HttpBackend::HttpBackend(HttpBackendOptions options) : options_(std::move(options)) {
  while (options_.base_url.ends_with('/')) options_.base_url.pop_back();
  options_.validate();
}

std::string HttpBackend::name() const {
  return fmt::format("{} at {}", options_.model, options_.base_url);
}

void HttpBackend::run(const std::function<std::optional<CompletionRequest>()>& next,
                      const std::function<void(CompletionResponse)>& done) {
  Run(options_, next, done)();
}

Json chat_request(const CompletionRequest& request, const std::string& model) {
  Json messages = Json::array();
  const auto add = [&](const std::string& role, const std::string& content) {
    messages.push_back({{"role", role}, {"content", content}});
  };
  if (request.prefix) {
    for (const Message& message : *request.prefix) add(message.role, message.content);
  }
  add("user", request.prompt);
  Json body = {{"model", model},
               {"messages", messages},
               {"temperature", request.sampling.temperature},
               {"top_p", request.sampling.top_p},
               {"max_tokens", request.sampling.max_tokens},
               // Servers disagree about how large a seed may be: 31 bits suit all of them.
               {"seed", request.seed & 0x7fffffff}};
  if (request.sampling.candidates > 1) body["n"] = request.sampling.candidates;
  return body;
}

CompletionResponse parse_chat_response(std::string_view body) {
  constexpr std::string_view kWhere = "the server's answer";
  const Json json = parse_json(body, kWhere);
  if (!json.is_object() || !json.contains("choices") || !json["choices"].is_array() ||
      json["choices"].empty()) {
    fail(ErrorKind::kData, "{}: there is no list \"choices\": {}", kWhere, one_line(body));
  }
  CompletionResponse response;
  for (const Json& choice : json["choices"]) {
    if (!choice.is_object() || !choice.contains("message"))
      fail(ErrorKind::kData, "{}: a choice has no \"message\"", kWhere);
    // The content is null where the model declined.
    response.completions.push_back({json_string_or(choice["message"], "content", "", kWhere),
                                    json_string_or(choice, "finish_reason", "stop", kWhere)});
  }
  if (json.contains("usage") && json["usage"].is_object()) {
    response.prompt_tokens = json_integer_or(json["usage"], "prompt_tokens", 0, kWhere);
    response.completion_tokens = json_integer_or(json["usage"], "completion_tokens", 0, kWhere);
  }
  return response;
}

}  // namespace paraclip
