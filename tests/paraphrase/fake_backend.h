#pragma once

#include "paraclip/base/random.h"
#include "paraclip/base/signals.h"
#include "paraclip/paraphrase/backend.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace paraclip::test {

/// What a killed process does not do any more.
struct Killed {};

/// A language model that answers by rule and dies when told. An answer is a function of the request
/// alone; the order of answers is not.
class FakeBackend : public Backend {
 public:
  /// `slots` requests are under way at a time; `order` shuffles which is finished first.
  explicit FakeBackend(size_t slots = 1, uint64_t order = 0) : slots_(slots), order_(order) {}

  std::string name() const override { return "fake"; }

  void run(const std::function<std::optional<CompletionRequest>()>& next,
           const std::function<void(CompletionResponse)>& done) override {
    std::vector<CompletionRequest> under_way;
    for (uint64_t turn = 0; !stop_requested(); ++turn) {
      while (under_way.size() < slots_) {
        std::optional<CompletionRequest> request = next();
        if (!request) break;
        ++asked[question(*request)];
        most_under_way = std::max(most_under_way, under_way.size() + 1);
        under_way.push_back(std::move(*request));
      }
      if (under_way.empty()) return;
      const size_t pick = mix64(order_ ^ turn) % under_way.size();
      const CompletionRequest request = under_way[pick];
      under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(pick));
      if (answers_left && *answers_left == 0) throw Killed();
      done(answer(request));
      ++answered[question(request)];
      if (answers_left) --*answers_left;
    }
  }

  std::optional<int> answers_left;      ///< Dies instead of giving a further answer.
  bool fail_marked = true;              ///< Whether captions with "broken" in them fail for good.
  std::map<std::string, int> asked;     ///< Times that each question was asked,
  std::map<std::string, int> answered;  ///< and answered.
  size_t most_under_way = 0;

 private:
  static std::string question(const CompletionRequest& request) {
    return fmt::format("{} #{}", request.prompt, request.seed);
  }

  CompletionResponse answer(const CompletionRequest& request) const {
    CompletionResponse response;
    response.id = request.id;
    response.prompt_tokens = 10;
    const std::string source = request.prompt.substr(request.prompt.find(": ") + 2);
    if (fail_marked && source.find("broken") != std::string::npos) {
      response.error = "HTTP 400: no";
      return response;
    }
    for (int i = 0; i < request.sampling.candidates; ++i) {
      const uint64_t luck = mix64(request.seed + static_cast<uint64_t>(i));
      const bool hopeless = source.find("hopeless") != std::string::npos;
      response.completions.push_back({hopeless || luck % 4 == 0 ? source
                                      : luck % 4 == 1           ? "I'm sorry, I cannot"
                                      : luck % 4 == 2 ? fmt::format("{} v{}", source, luck % 100)
                                                      : fmt::format("new {}", source),
                                      "stop"});
      response.completion_tokens += 5;
    }
    return response;
  }

  size_t slots_;
  uint64_t order_;
};

}  // namespace paraclip::test
