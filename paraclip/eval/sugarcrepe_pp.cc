#include "paraclip/eval/cases.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/registry.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

namespace paraclip {
namespace {

constexpr std::array<std::string_view, 3> kCaptions = {"caption", "caption2", "negative_caption"};
constexpr std::array<std::string_view, 3> kImageMeasures = {
    "cos(image, caption)", "cos(image, caption2)", "cos(image, negative_caption)"};
constexpr std::array<std::string_view, 3> kTextMeasures = {
    "cos(caption, caption2)", "cos(caption, negative_caption)", "cos(caption2, negative_caption)"};

// Of three similarities that are drawn alike, a given one is the largest (or the smallest) in a
// third of all cases.
constexpr double kChance = 100.0 / 3;

// Similarities of each case's texts: of both captions, and of each to the negative caption.
std::vector<std::vector<double>> text_similarities(std::span<const CaseGroup> groups,
                                                   Encoder& encoder) {
  std::vector<std::vector<double>> similarities;
  for (const CaseGroup& group : groups) {
    std::vector<std::string> texts;
    for (const size_t i : {0, 1, 2}) {
      for (const CaptionCase& item : group.cases) texts.push_back(item.captions[i]);
    }
    const auto count = static_cast<int64_t>(group.cases.size());
    const at::Tensor vectors = encoder.encode_texts(texts);
    const auto caption = vectors.narrow(0, 0, count), caption2 = vectors.narrow(0, count, count),
               negative = vectors.narrow(0, 2 * count, count);
    const std::vector<double> both = row_similarities(caption, caption2),
                              first = row_similarities(caption, negative),
                              second = row_similarities(caption2, negative);
    for (size_t i = 0; i < group.cases.size(); ++i)
      similarities.push_back({both[i], first[i], second[i]});
  }
  return similarities;
}

// SugarCrepe++ (Dumpala et al., NeurIPS 2024): two captions of a photo that mean the same, and a
// third that is nearer in wording and false.
class SugarCrepePlusPlus final : public Benchmark {
 public:
  SugarCrepePlusPlus(std::vector<CaseGroup> texts, std::vector<CaseGroup> with_images)
      : texts_(std::move(texts)), with_images_(std::move(with_images)) {}

  std::vector<std::pair<std::string, std::string>> protocol() const override {
    return {{"itt",
             "image-to-text: right where cos(image, caption) > cos(image, negative caption) and "
             "cos(image, caption2) > cos(image, negative caption); a tie is wrong; the unweighted "
             "mean over the five subsets of the share that is right (.micro: the share of all "
             "cases); images of COCO val2017"},
            {"tot",
             "text only: right where cos(caption, caption2) > cos(caption, negative caption) and "
             "cos(caption, caption2) > cos(caption2, negative caption); else as itt"}};
  }

  std::vector<std::pair<std::string, int64_t>> counts() const override {
    std::vector<std::pair<std::string, int64_t>> counts = {
        {"cases", case_count(texts_)}, {"cases with an image", case_count(with_images_)}};
    for (const CaseGroup& group : texts_)
      counts.emplace_back(group.name, static_cast<int64_t>(group.cases.size()));
    return counts;
  }

  Outcome run(Encoder& encoder) const override {
    Outcome outcome;
    if (case_count(with_images_) > 0) add_image_to_text(encoder, outcome);
    add_text_only(encoder, outcome);
    return outcome;
  }

 private:
  void add_image_to_text(Encoder& encoder, Outcome& outcome) const {
    const auto similarities = caption_similarities(with_images_, encoder);
    std::vector<double> margins;
    for (const std::vector<double>& of_case : similarities)
      margins.push_back(std::min(of_case[0], of_case[1]) - of_case[2]);
    const std::vector<double> percent = percent_right(margins);
    add_accuracies("itt", with_images_, percent, kChance, outcome);
    add_group_accuracies("itt", with_images_, percent, kChance, outcome);
    add_examples("itt", with_images_, kCaptions, kImageMeasures, similarities, margins, percent,
                 outcome);
  }

  void add_text_only(Encoder& encoder, Outcome& outcome) const {
    const auto similarities = text_similarities(texts_, encoder);
    std::vector<double> margins;
    for (const std::vector<double>& of_case : similarities)
      margins.push_back(of_case[0] - std::max(of_case[1], of_case[2]));
    const std::vector<double> percent = percent_right(margins);
    add_accuracies("tot", texts_, percent, kChance, outcome);
    add_group_accuracies("tot", texts_, percent, kChance, outcome);
    add_examples("tot", texts_, kCaptions, kTextMeasures, similarities, margins, percent, outcome);
  }

  std::vector<CaseGroup> texts_;
  std::vector<CaseGroup> with_images_;
};

}  // namespace

LoadedBenchmark load_sugarcrepe_pp(const BenchmarkData& data) {
  const std::filesystem::path folder = data.folder / "sugar_crepe_pp";
  LoadedBenchmark loaded;
  if (auto lack = lack_of_files("itt, tot", group_files(folder, kSugarCrepePlusPlusSubsets),
                                fetch_remedy("sugar_crepe_pp", folder))) {
    loaded.lacks.push_back(std::move(*lack));
    return loaded;
  }
  const std::filesystem::path images = data.folder / "coco/val2017";
  std::vector<CaseGroup> texts =
      read_caption_groups(folder, kSugarCrepePlusPlusSubsets, kCaptions, images);
  std::vector<CaseGroup> with_images = texts;
  if (auto lack = keep_cases_with_images(with_images, data, "itt",
                                         image_remedy(data, images, "coco_val2017")))
    loaded.lacks.push_back(std::move(*lack));
  loaded.benchmark = std::make_unique<SugarCrepePlusPlus>(std::move(texts), std::move(with_images));
  return loaded;
}

}  // namespace paraclip
