#include "cli/demo_report_parts.h"
#include "paraclip/base/error.h"
#include "paraclip/clip/unicode.h"
#include "paraclip/io/jsonl.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <vector>

namespace paraclip::cli {
namespace {

namespace fs = std::filesystem;
using html::element;
using html::Html;
using html::paragraph;
using html::section;
using html::text;

constexpr size_t kShownTriples = 6;
constexpr size_t kShownRejects = 2;  // Of each reason.

// At most so many characters, for answers that ramble.
std::string shortened(const std::string& words) {
  constexpr size_t kMaxCharacters = 200;
  std::u32string characters = decode_utf8(words);
  if (characters.size() <= kMaxCharacters) return words;
  characters.resize(kMaxCharacters);
  return encode_utf8(characters) + " \u2026";
}

Html tagged(std::string_view tag, std::string_view words) {
  return element("p", element("span", {{"class", "tag"}}, text(tag)) + text(words));
}

std::vector<Json> read_all(const fs::path& file) {
  std::vector<Json> records;
  JsonlReader reader(file);
  for (Json record; reader.next(record);) records.push_back(std::move(record));
  return records;
}

// Triples at equal distances in the file, which is in the order of the captions.
Html kept(const DemoReport& report, html::PictureBook& pictures) {
  const fs::path file = report.folder / "triples" / "triples.jsonl";
  const fs::path images = report.folder / "scenes" / "train" / "images";
  const std::vector<Json> triples = read_all(file);
  if (triples.empty()) {
    fail(ErrorKind::kData, "cannot write the report: {} holds no triples; run the demo again",
         file.string());
  }
  const size_t shown = std::min(kShownTriples, triples.size());
  Html items;
  for (size_t i = 0; i < shown; ++i) {
    const Json& triple = triples[i * triples.size() / shown];
    const std::string caption = json_string(triple, "caption", file.string());
    const std::string image = json_string(triple, "image_id", file.string());
    items += element(
        "li", {{"class", "example"}},
        show_image(pictures, images, image, "Scene: " + caption) +
            element(
                "div",
                tagged("Caption", caption) +
                    tagged("1: plain words", json_string(triple, "paraphrase_1", file.string())) +
                    tagged("2: other words", json_string(triple, "paraphrase_2", file.string()))));
  }
  return element("h3", text(fmt::format("Kept: {} of {}, at equal distances in the file", shown,
                                        triples.size()))) +
         element("ul", {{"class", "examples"}}, items) + Html::raw("\n");
}

std::string in_plain_words(const std::string& reason) {
  static const std::map<std::string, std::string> kWords = {
      {"cut", "It ran into the length limit"},
      {"empty", "It said nothing"},
      {"not_text", "It is not readable text"},
      {"refusal", "It declined, or spoke of itself"},
      {"prompt_echo", "It repeated the instruction or an example"},
      {"copy", "It said the same words again"},
      {"too_short", "It left most of the text out"},
      {"too_long", "It said far more than the text"},
      {"lost_number", "It lost a number"},
      {"lost_name", "It lost a name"},
      {"too_little_change", "It changed too few of the words"},
      {"too_much_change", "It kept too little of the text"},
      {"strayed", "The model itself found it improbable"},
      {"unlike", "To the base model's text encoder it means something else"}};
  const auto found = kWords.find(reason);
  return found == kWords.end() ? reason : found->second;
}

struct Rejected {
  std::string reason;
  std::array<int64_t, 2> counts{};  // By step.

  int64_t total() const { return counts[0] + counts[1]; }
};

std::vector<Rejected> rejected_counts(const Json& stats, const fs::path& file) {
  std::map<std::string, Rejected> reasons;
  const Json& steps = part(stats, "steps", Json::value_t::array, file);
  for (size_t step = 0; step < std::min<size_t>(steps.size(), 2); ++step) {
    const Json& counts = part(steps[step], "rejected_outputs", Json::value_t::object, file);
    for (const auto& [reason, count] : counts.items()) {
      reasons[reason].reason = reason;
      reasons[reason].counts[step] = json_integer(counts, reason, file.string());
    }
  }
  std::vector<Rejected> sorted;
  for (const auto& [name, rejected] : reasons) {
    if (rejected.total() > 0) sorted.push_back(rejected);
  }
  std::ranges::stable_sort(sorted, std::ranges::greater(), &Rejected::total);
  return sorted;
}

// The first outputs rejected for each reason, of different texts.
std::map<std::string, std::vector<Json>> reject_examples(const fs::path& file) {
  std::map<std::string, std::vector<Json>> examples;
  std::map<std::string, std::set<std::string>> sources;
  JsonlReader reader(file);
  for (Json record; reader.next(record);) {
    if (!record.contains("text")) continue;  // A caption without triple.
    const std::string reason = json_string(record, "reason", reader.where());
    if (examples[reason].size() == kShownRejects) continue;
    json_string(record, "text", reader.where());
    const std::string source = json_string(record, "source", reader.where());
    if (sources[reason].insert(source).second) examples[reason].push_back(record);
  }
  return examples;
}

Html rejects(const DemoReport& report, const Json& stats, const fs::path& stats_file) {
  const fs::path file = report.folder / "triples" / "rejects.jsonl";
  std::map<std::string, std::vector<Json>> examples = reject_examples(file);
  Html items;
  for (const Rejected& rejected : rejected_counts(stats, stats_file)) {
    const std::vector<Json>& shown = examples[rejected.reason];
    if (shown.empty()) {
      fail(ErrorKind::kData,
           "cannot write the report: {} counts {} outputs rejected as \"{}\", {} holds none; run "
           "the demo again",
           stats_file.string(), rejected.total(), rejected.reason, file.string());
    }
    Html pairs;
    for (const Json& example : shown) {
      const auto answer = example["text"].get<std::string>();
      pairs +=
          element("p", element("span", {{"class", "quiet"}},
                               text(shortened(example["source"].get<std::string>()) + " \u2192 ")) +
                           text(answer.empty() ? "(nothing)" : shortened(answer)));
    }
    items += element(
        "li", {{"class", "reject"}},
        element("div", element("h4", text(in_plain_words(rejected.reason))) +
                           element("p", {{"class", "quiet small"}},
                                   element("code", text(rejected.reason)) +
                                       text(fmt::format(": {} in step 1, {} in step 2",
                                                        rejected.counts[0], rejected.counts[1])))) +
            element("div", pairs));
  }
  return element("h3",
                 text("Rejected, by reason, with what the model was given and what it said")) +
         element("ul", {{"class", "rejects"}}, items) + Html::raw("\n");
}

}  // namespace

Html paraphrases_section(const DemoReport& report, html::PictureBook& pictures) {
  const fs::path file = report.folder / "triples" / "stats.json";
  const Json stats = read_json(file);
  html::Table table{.caption = "What came of the captions",
                    .columns = {{"Step"},
                                {"Outputs", /*numeric=*/true},
                                {"Accepted", /*numeric=*/true},
                                {"Captions answered", /*numeric=*/true}}};
  constexpr std::array kSteps = {"1: plain words", "2: other words"};
  const Json& steps = part(stats, "steps", Json::value_t::array, file);
  for (size_t i = 0; i < std::min(steps.size(), kSteps.size()); ++i) {
    std::vector<Html> row = {text(kSteps[i])};
    for (const char* key : {"outputs", "accepted_outputs", "captions_answered"}) {
      row.push_back(text(fmt::format("{}", json_integer(steps[i], key, file.string()))));
    }
    table.rows.push_back(std::move(row));
  }
  return section(
      "Paraphrases",
      paragraph(
          "Several outputs are drawn for each text, each is checked, and the best "
          "of those that pass is kept. A caption that both steps answer becomes a "
          "triple: caption, paraphrase 1, paraphrase 2. The checks compare words, and ask the base "
          "model's text encoder how alike two texts are; none looks at the picture, and some of "
          "what "
          "they let through is wrong all the same.") +
          html::table(table) + kept(report, pictures) + rejects(report, stats, file));
}

}  // namespace paraclip::cli
