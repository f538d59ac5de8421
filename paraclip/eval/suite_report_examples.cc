#include "paraclip/eval/suite_report_examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace paraclip {
namespace {

using html::element;
using html::Html;
using html::text;

constexpr size_t kShown = 5;
constexpr size_t kMaxText = 600;  // Bytes of one field.
constexpr std::string_view kDash = "\u2013";

std::string number_text(double value) {
  if (!std::isfinite(value)) return std::string(kDash);
  return value < 0 ? fmt::format("\u2212{:.4g}", -value) : fmt::format("{:.4g}", value);
}

// Cut where a character begins, so that none is torn.
std::string shortened(std::string words) {
  if (words.size() <= kMaxText) return words;
  size_t end = kMaxText;
  while (end > 0 && (static_cast<unsigned char>(words[end]) & 0xC0) == 0x80) --end;
  words.resize(end);
  return words + "\u2026";
}

std::string field_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return std::string(kDash);
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) return number_text(value.get<double>());
  if (value.is_array()) {
    std::string words;
    for (const Json& item : value)
      words += fmt::format("{}{}", words.empty() ? "" : "; ", field_text(item));
    return words;
  }
  return dump_json(value);
}

// What the example is, then what the model measured on it and, where that differs, the baseline.
Html fields(const Example& model, const Example* baseline) {
  std::vector<std::pair<std::string, Html>> items;
  const auto add = [&](std::string name, const Html& shown) {
    std::ranges::replace(name, '_', ' ');  // "negative_caption" would not fit beside its text.
    items.push_back({std::move(name), shown});
  };
  for (const auto& [name, value] : model.fields.items())
    add(name, text(shortened(field_text(value))));
  for (const auto& [name, value] : model.measured.items()) {
    Html shown = text(shortened(field_text(value)));
    if (baseline != nullptr && baseline->measured.value(name, Json()) != value) {
      shown +=
          element("div", element("span", {{"class", "quiet"}}, text("baseline: ")) +
                             text(shortened(field_text(baseline->measured.value(name, Json())))));
    }
    add(name, shown);
  }
  return html::definition_list(items);
}

std::string score_words(const Example& example, bool judged) {
  return number_text(example.score) + (!judged ? "" : example.right ? " (right)" : " (wrong)");
}

// What is chosen by: the score that the model gained, or its score.
struct Choice {
  size_t example;
  double score;
};

struct Chosen {
  std::vector<Choice> best, worst;
};

Chosen choose(const BenchmarkResult& benchmark, bool compared) {
  std::vector<Choice> all;
  for (size_t i = 0; i < benchmark.examples.size(); ++i) {
    const double before = compared ? benchmark.baseline_examples[i].score : 0;
    const double score = benchmark.examples[i].score - before;
    if (std::isfinite(score)) all.push_back({i, score});
  }
  std::ranges::stable_sort(all, std::ranges::greater(), &Choice::score);
  Chosen chosen;
  // Without a baseline the halves keep one example from being both best and worst.
  const size_t half = compared ? all.size() : (all.size() + 1) / 2;
  for (size_t i = 0; i < std::min(kShown, half); ++i) {
    if (!compared || all[i].score > 0) chosen.best.push_back(all[i]);
  }
  if (!compared) all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(half));
  std::ranges::stable_sort(all, std::ranges::less(), &Choice::score);
  for (size_t i = 0; i < std::min(kShown, all.size()); ++i) {
    if (!compared || all[i].score < 0) chosen.worst.push_back(all[i]);
  }
  return chosen;
}

// Shows the examples that were chosen from one benchmark.
class Shown {
 public:
  Shown(const BenchmarkResult& benchmark, bool compared)
      : benchmark_(benchmark),
        compared_(compared),
        judged_(std::ranges::any_of(benchmark.examples, &Example::right) ||
                std::ranges::any_of(benchmark.baseline_examples, &Example::right)) {}

  Html group(std::string_view title, const std::vector<Choice>& choices) const {
    Html list;
    for (const Choice& choice : choices) list += one(choice);
    if (choices.empty()) list = html::small_print("None.");
    return element("div", element("h3", {{"class", "part"}}, text(title)) + list);
  }

 private:
  Html one(const Choice& choice) const {
    const Example& model = benchmark_.examples[choice.example];
    const Example* baseline = compared_ ? &benchmark_.baseline_examples[choice.example] : nullptr;
    const std::string scores =
        baseline == nullptr
            ? fmt::format(" score {}", score_words(model, judged_))
            : fmt::format(" score {}, baseline {}, {}{}", score_words(model, judged_),
                          score_words(*baseline, judged_), choice.score > 0 ? "+" : "",
                          number_text(choice.score));
    return element("article", {{"class", "case"}},
                   element("h4", text(model.part) + element("span", text(scores))) +
                       fields(model, baseline)) +
           Html::raw("\n");
  }

  const BenchmarkResult& benchmark_;
  bool compared_;
  bool judged_;  // Whether examples are right or wrong at all.
};

}  // namespace

Html examples_part(const BenchmarkResult& benchmark, bool compared) {
  if (benchmark.examples.empty()) return {};
  compared = compared && benchmark.baseline_examples.size() == benchmark.examples.size();
  const Chosen chosen = choose(benchmark, compared);
  const Shown shown(benchmark, compared);
  return element("div", {{"class", "cases"}},
                 shown.group(compared ? "Most won against the baseline" : "Best examples",
                             chosen.best) +
                     shown.group(compared ? "Most lost against the baseline" : "Worst examples",
                                 chosen.worst)) +
         Html::raw("\n");
}

}  // namespace paraclip
