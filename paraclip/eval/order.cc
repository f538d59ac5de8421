#include "paraclip/eval/order.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/character_class.h"
#include "paraclip/clip/text_cleaning.h"
#include "paraclip/eval/cases.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/registry.h"
#include "paraclip/io/jsonl.h"

#include <algorithm>
#include <array>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWords = 30;

// The original caption comes first, so that ARO's argmax takes it of equal similarities.
constexpr std::array<std::string_view, 5> kOptions = {
    "original", "nouns_and_adjectives_shuffled", "all_but_nouns_and_adjectives_shuffled",
    "shuffled_within_trigrams", "trigrams_shuffled"};
constexpr std::array<std::string_view, 5> kMeasures = {
    "cos(image, original)", "cos(image, nouns_and_adjectives_shuffled)",
    "cos(image, all_but_nouns_and_adjectives_shuffled)", "cos(image, shuffled_within_trigrams)",
    "cos(image, trigrams_shuffled)"};

// Two and more characters of white space in a row become one blank.
std::string collapse_runs(std::string_view text) {
  std::string collapsed;
  size_t last = 0;  // Where the last character of `collapsed` begins.
  size_t run = 0;   // Of how many characters the white space at this place is so far.
  for (size_t place = 0; place < text.size();) {
    const size_t start = place;
    run = next_class(text, place) == CharacterClass::kSpace ? run + 1 : 0;
    if (run > 2) continue;
    if (run == 2) {
      collapsed.erase(last);
      collapsed += ' ';
    } else {
      last = collapsed.size();
      collapsed += text.substr(start, place - start);
    }
  }
  return collapsed;
}

std::vector<std::string> read_options(const Json& record, const std::string& where) {
  const auto found = record.find("options");
  std::vector<std::string> options;
  if (found != record.end() && found->is_array()) {
    for (const Json& option : *found) {
      if (option.is_string()) options.push_back(order_caption(option.get<std::string>()));
    }
  }
  if (options.size() != kOptions.size() || found->size() != kOptions.size()) {
    fail(ErrorKind::kData,
         "{}: expected \"options\" to be a list of {} texts, the caption and its {} perturbations",
         where, kOptions.size(), kOptions.size() - 1);
  }
  return options;
}

CaseGroup read_cases(const fs::path& path, const fs::path& images) {
  CaseGroup group;
  JsonlReader reader(path);
  for (Json record; reader.next(record);) {
    CaptionCase& added = group.cases.emplace_back();
    const fs::path image = filled_string(record, "image", reader.where());
    added.image.id = image.filename().string();
    added.image.file = images / added.image.id;
    added.captions = read_options(record, reader.where());
  }
  if (group.cases.empty()) fail(ErrorKind::kData, "{} holds no cases", path.string());
  group.in_all = static_cast<int64_t>(group.cases.size());
  return group;
}

// COCO-Order and Flickr30k-Order (Yuksekgonul et al., ICLR 2023): a photo, its caption, and four
// captions of the same words in another order.
class Order final : public Benchmark {
 public:
  explicit Order(CaseGroup cases) : cases_(std::move(cases)) {}

  std::vector<std::pair<std::string, std::string>> protocol() const override {
    return {{"accuracy",
             "the share of captions with a similarity to the image that none of the four "
             "perturbations exceeds: as published, a tie favours the original; .strict: a tie is "
             "wrong"},
            {"texts",
             "the perturbations of the file; all options in lower case, .!\"()*#:;~ as blanks, of "
             "at most 30 words"}};
  }

  std::vector<std::pair<std::string, int64_t>> counts() const override {
    const auto has_equal = [](const CaptionCase& item) {
      return std::find(item.captions.begin() + 1, item.captions.end(), item.captions[0]) !=
             item.captions.end();
    };
    return {{"cases", case_count({&cases_, 1})},
            {"images", image_count({&cases_, 1})},
            {"cases with a perturbation equal to the original",
             std::count_if(cases_.cases.begin(), cases_.cases.end(), has_equal)}};
  }

  Outcome run(Encoder& encoder) const override {
    const std::span<const CaseGroup> groups(&cases_, 1);
    const std::vector<std::vector<double>> similarities = caption_similarities(groups, encoder);
    std::vector<double> margins, percent;
    for (const std::vector<double>& of_case : similarities) {
      margins.push_back(of_case[0] - *std::max_element(of_case.begin() + 1, of_case.end()));
      percent.push_back(margins.back() >= 0 ? 100 : 0);
    }
    Outcome outcome;
    outcome.samples.push_back(sample_of(groups));
    const std::string suffix = partial_suffix(groups);
    outcome.metrics.push_back({.name = "accuracy" + suffix,
                               .statistic = mean_statistic(percent),
                               .headline = true,
                               .chance = 20});
    outcome.metrics.push_back({.name = "accuracy.strict" + suffix,
                               .statistic = mean_statistic(percent_right(margins)),
                               .chance = 20});
    add_examples("accuracy", groups, kOptions, kMeasures, similarities, margins, percent, outcome);
    return outcome;
  }

 private:
  CaseGroup cases_;
};

LoadedBenchmark load(const BenchmarkData& data, const fs::path& file, const fs::path& images,
                     const std::string& images_name) {
  LoadedBenchmark loaded;
  const fs::path path = data.folder / file, folder = data.folder / images;
  if (auto lack = lack_of_files(
          "accuracy", {path},
          R"(make it with ARO's code (github.com/mertyg/vision-language-models-are-bows): a line )"
          R"({"image": FILE, "options": [CAPTION, 4 PERTURBATIONS]} for each caption)")) {
    loaded.lacks.push_back(std::move(*lack));
    return loaded;
  }
  std::vector<CaseGroup> groups = {read_cases(path, folder)};
  if (auto lack =
          keep_cases_with_images(groups, data, "accuracy", image_remedy(data, folder, images_name)))
    loaded.lacks.push_back(std::move(*lack));
  if (case_count(groups) > 0) loaded.benchmark = std::make_unique<Order>(std::move(groups[0]));
  return loaded;
}

}  // namespace

std::string order_caption(std::string_view text) {
  std::string caption = clean_hf(text);
  std::replace_if(
      caption.begin(), caption.end(),
      [](char c) { return std::string_view(".!\"()*#:;~").find(c) != std::string_view::npos; },
      ' ');
  caption = collapse_runs(caption);
  const size_t begin = std::min(caption.find_first_not_of(' '), caption.size());
  caption.erase(0, begin);
  caption.erase(caption.find_last_not_of(" \n") + 1);
  size_t end = 0;
  for (size_t word = 0; word < kWords && end != std::string::npos; ++word)
    end = caption.find(' ', word == 0 ? 0 : end + 1);
  if (end != std::string::npos) caption.erase(end);
  return caption;
}

LoadedBenchmark load_order_coco(const BenchmarkData& data) {
  return load(data, "aro/coco_order.jsonl", "coco/val2014", "coco_val2014");
}

LoadedBenchmark load_order_flickr30k(const BenchmarkData& data) {
  return load(data, "aro/flickr30k_order.jsonl", "flickr30k/images", "flickr30k");
}

}  // namespace paraclip
