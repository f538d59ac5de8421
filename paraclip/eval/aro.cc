#include "paraclip/base/error.h"
#include "paraclip/eval/aro_relations.h"
#include "paraclip/eval/cases.h"
#include "paraclip/eval/registry.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// In this order, so that ARO's argmax takes the false caption of two equal similarities.
constexpr std::array<std::string_view, 2> kOptions = {"false_caption", "true_caption"};
constexpr std::array<std::string_view, 2> kMeasures = {"cos(crop, false_caption)",
                                                       "cos(crop, true_caption)"};

// A pair of attributes with fewer cases does not count in VG-Attribution's score.
constexpr size_t kMinCases = 25;

// ARO's cases (Yuksekgonul et al., ICLR 2023): a crop of a photo, a caption of two objects and the
// same with their sides or attributes swapped. Groups by name.
std::vector<CaseGroup> read_cases(
    const fs::path& path, const fs::path& images,
    const std::function<std::string(const Json&, const std::string&)>& group_name) {
  std::map<std::string, CaseGroup> groups;
  for_each_record(path, [&](const Json& record, const std::string& where) {
    const std::string name = group_name(record, where);
    CaseGroup& group = groups[name];
    group.name = name;
    ++group.in_all;
    CaptionCase& added = group.cases.emplace_back();
    added.image.id = filled_string(record, "image_path", where);
    added.image.file = images / added.image.id;
    const Box box = {json_integer(record, "bbox_x", where), json_integer(record, "bbox_y", where),
                     json_integer(record, "bbox_w", where), json_integer(record, "bbox_h", where)};
    if (box.width < 1 || box.height < 1) {
      fail(ErrorKind::kData, "{}: the crop is {} x {} pixels; expected at least 1 x 1", where,
           box.width, box.height);
    }
    added.image.crop = box;
    for (const std::string_view key : kOptions)
      added.captions.push_back(filled_string(record, key, where));
  });
  std::vector<CaseGroup> list;
  for (auto& [name, group] : groups) list.push_back(std::move(group));
  return list;
}

std::string relation_of(const Json& record, const std::string& where) {
  return filled_string(record, "relation_name", where);
}

// The ordered pair of attributes: of "the red car and the blue bus" red_blue, not blue_red.
std::string attributes_of(const Json& record, const std::string& where) {
  const auto found = record.find("attributes");
  if (found == record.end() || !found->is_array() || found->size() != 2 ||
      !(*found)[0].is_string() || !(*found)[1].is_string()) {
    fail(ErrorKind::kData, "{}: expected \"attributes\" to be a list of two names", where);
  }
  return (*found)[0].get<std::string>() + "_" + (*found)[1].get<std::string>();
}

// What tells VG-Relation and VG-Attribution apart.
struct Form {
  std::string_view file;
  std::string_view group;  // What a group is.
  std::string (*group_of)(const Json& record, const std::string& where);
  bool (*counts)(const CaseGroup& group);  // Whether the group is part of the headline.
  std::string_view score;                  // The headline, in words.
  bool each_group;                         // Whether each group has a metric of its own.
};

constexpr Form kRelation = {
    .file = "visual_genome_relation.json",
    .group = "relations",
    .group_of = relation_of,
    .counts = [](const CaseGroup& group) { return !is_symmetric_relation(group.name); },
    .score = "relations, without the 157 that ARO's notebook lists as symmetric",
    .each_group = true};

// The many rare pairs of attributes have no metrics of their own.
constexpr Form kAttribution = {
    .file = "visual_genome_attribution.json",
    .group = "pairs of attributes",
    .group_of = attributes_of,
    .counts = [](const CaseGroup& group) { return group.cases.size() >= kMinCases; },
    .score = "ordered pairs of attributes with at least 25 cases",
    .each_group = false};

class Aro final : public Benchmark {
 public:
  Aro(const Form& form, std::vector<CaseGroup> groups) : form_(form), groups_(std::move(groups)) {}

  std::vector<std::pair<std::string, std::string>> protocol() const override {
    return {{"accuracy",
             fmt::format("right where cos(crop, true caption) > cos(crop, false caption), so that "
                         "a tie is wrong; the unweighted mean over {} of the share that is right "
                         "(.all: over all {}; .micro: the share of all cases)",
                         form_.score, form_.group)},
            {"crop",
             "the box bbox_x, bbox_y, bbox_w, bbox_h (left, top, width and height in pixels) of "
             "the RGB image, then as the model preprocesses images"}};
  }

  std::vector<std::pair<std::string, int64_t>> counts() const override {
    std::vector<CaseGroup> counting;
    std::copy_if(groups_.begin(), groups_.end(), std::back_inserter(counting),
                 [](const CaseGroup& group) { return group.counts; });
    const std::string group(form_.group);
    return {{"cases", case_count(groups_)},
            {"images", image_count(groups_)},
            {group, static_cast<int64_t>(groups_.size())},
            {group + " that count", static_cast<int64_t>(counting.size())},
            {"cases that count", case_count(counting)}};
  }

  Outcome run(Encoder& encoder) const override {
    const std::vector<std::vector<double>> similarities = caption_similarities(groups_, encoder);
    std::vector<double> margins;
    for (const std::vector<double>& of_case : similarities)
      margins.push_back(of_case[1] - of_case[0]);
    const std::vector<double> percent = percent_right(margins);
    Outcome outcome;
    add_accuracies("accuracy", groups_, percent, /*chance=*/50, outcome);
    if (form_.each_group)
      add_group_accuracies("accuracy", groups_, percent, /*chance=*/50, outcome);
    add_examples("accuracy", groups_, kOptions, kMeasures, similarities, margins, percent, outcome);
    return outcome;
  }

 private:
  const Form& form_;
  std::vector<CaseGroup> groups_;
};

LoadedBenchmark load(const Form& form, const BenchmarkData& data) {
  const fs::path folder = data.folder / "aro", images = folder / "images";
  LoadedBenchmark loaded;
  if (auto lack = lack_of_files("accuracy", {folder / form.file}, fetch_remedy("aro", folder))) {
    loaded.lacks.push_back(std::move(*lack));
    return loaded;
  }
  std::vector<CaseGroup> groups = read_cases(folder / form.file, images, form.group_of);
  std::string remedy = fetch_remedy("aro_images", images);
  if (!data.image_tower) remedy = "use a model with an image tower (for the crops), and " + remedy;
  if (auto lack = keep_cases_with_images(groups, data, "accuracy", std::move(remedy)))
    loaded.lacks.push_back(std::move(*lack));
  for (CaseGroup& group : groups) group.counts = form.counts(group);
  if (case_count(groups) > 0) loaded.benchmark = std::make_unique<Aro>(form, std::move(groups));
  return loaded;
}

}  // namespace

LoadedBenchmark load_aro_relation(const BenchmarkData& data) { return load(kRelation, data); }

LoadedBenchmark load_aro_attribution(const BenchmarkData& data) { return load(kAttribution, data); }

}  // namespace paraclip
