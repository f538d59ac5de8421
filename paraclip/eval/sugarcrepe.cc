#include "paraclip/eval/cases.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/registry.h"

#include <array>

namespace paraclip {
namespace {

constexpr std::array<std::string_view, 7> kSubsets = {
    "add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"};
constexpr std::array<std::string_view, 2> kCaptions = {"caption", "negative_caption"};
constexpr std::array<std::string_view, 2> kMeasures = {"cos(image, caption)",
                                                       "cos(image, negative_caption)"};

// SugarCrepe (Hsieh et al., NeurIPS 2023): a photo, its caption, and a caption that is false by one
// object, attribute or relation.
class SugarCrepe final : public Benchmark {
 public:
  explicit SugarCrepe(std::vector<CaseGroup> groups) : groups_(std::move(groups)) {}

  std::vector<std::pair<std::string, std::string>> protocol() const override {
    return {{"accuracy",
             "right where cos(image, caption) > cos(image, negative caption), so that a tie is "
             "wrong; the unweighted mean over the seven subsets of the share that is right "
             "(.micro: the share of all cases)"},
            {"images", "COCO val2017, whole, as the model preprocesses them"}};
  }

  std::vector<std::pair<std::string, int64_t>> counts() const override {
    std::vector<std::pair<std::string, int64_t>> counts = {{"cases", case_count(groups_)},
                                                           {"images", image_count(groups_)}};
    for (const CaseGroup& group : groups_)
      counts.emplace_back(group.name, static_cast<int64_t>(group.cases.size()));
    return counts;
  }

  Outcome run(Encoder& encoder) const override {
    const std::vector<std::vector<double>> similarities = caption_similarities(groups_, encoder);
    std::vector<double> margins;
    for (const std::vector<double>& of_case : similarities)
      margins.push_back(of_case[0] - of_case[1]);
    const std::vector<double> percent = percent_right(margins);
    Outcome outcome;
    add_accuracies("accuracy", groups_, percent, /*chance=*/50, outcome);
    add_group_accuracies("accuracy", groups_, percent, /*chance=*/50, outcome);
    add_examples("accuracy", groups_, kCaptions, kMeasures, similarities, margins, percent,
                 outcome);
    return outcome;
  }

 private:
  std::vector<CaseGroup> groups_;
};

}  // namespace

LoadedBenchmark load_sugarcrepe(const BenchmarkData& data) {
  const std::filesystem::path folder = data.folder / "sugar_crepe";
  LoadedBenchmark loaded;
  if (auto lack = lack_of_files("accuracy", group_files(folder, kSubsets),
                                fetch_remedy("sugar_crepe", folder))) {
    loaded.lacks.push_back(std::move(*lack));
    return loaded;
  }
  const std::filesystem::path images = data.folder / "coco/val2017";
  std::vector<CaseGroup> groups = read_caption_groups(folder, kSubsets, kCaptions, images);
  if (auto lack = keep_cases_with_images(groups, data, "accuracy",
                                         image_remedy(data, images, "coco_val2017")))
    loaded.lacks.push_back(std::move(*lack));
  if (case_count(groups) > 0) loaded.benchmark = std::make_unique<SugarCrepe>(std::move(groups));
  return loaded;
}

}  // namespace paraclip
