#pragma once

#include "paraclip/base/json.h"
#include "paraclip/base/random.h"
#include "tests/io/http_server.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <string>

namespace paraclip::test {

/// The body of a chat completion.
inline std::string chat_answer(const std::string& text, const std::string& finish = "stop") {
  return dump_json(Json{{"choices",
                         {{{"index", 0},
                           {"message", {{"role", "assistant"}, {"content", text}}},
                           {"finish_reason", finish}}}},
                        {"usage", {{"prompt_tokens", 11}, {"completion_tokens", 4}}}});
}

/// A server that spoils one or two tries before each answer to a third of the questions, in five
/// ways, and counts what it answered well.
class UnreliableServer {
 public:
  UnreliableServer() : server_([this](const HttpQuery& query) { return answer(query); }) {}

  std::string url() const { return server_.url(); }

  std::map<std::string, int> answered;  ///< Whole answers, by question.
  std::map<int, int> faults;            ///< Faults, by kind.

 private:
  HttpReply answer(const HttpQuery& query) {
    const std::lock_guard lock(mutex_);
    const Json body = parse_json(query.body, "request");
    const std::string prompt = body["messages"].back()["content"];
    const std::string question = fmt::format("{} #{}", prompt, dump_json(body["seed"]));
    const std::string good = chat_answer("some " + prompt.substr(prompt.find(": ") + 2));
    const uint64_t luck = hash64(question);
    const int times = static_cast<int>(luck / 3 % 2) + 1;
    if (luck % 3 == 0 && tries_[question]++ % (times + 1) < times) {
      const int kind = static_cast<int>((luck / 6 + static_cast<uint64_t>(tries_[question])) % 5);
      ++faults[kind];
      switch (kind) {
        case 0: return {.status = 429, .headers = {{"Retry-After", "0"}}};
        case 1: return {.status = 500, .body = "oops"};
        case 2: return {.body = good.substr(0, good.size() / 2), .close = true};
        case 3: return {.body = good, .stall = 2.0};
        default: return {.body = good.substr(0, good.size() / 2)};
      }
    }
    ++answered[question];
    return {.body = good};
  }

  std::mutex mutex_;
  std::map<std::string, int> tries_;
  HttpServer server_;
};

}  // namespace paraclip::test
