#include "paraclip/eval/cases.h"

#include "paraclip/base/error.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/paraphrase/words.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <system_error>
#include <unordered_map>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// Cases scored at once: their texts are many batches of the encoder, and their vectors in float64
// stay below 100 MB.
constexpr size_t kBlock = 1024;

// The number of a group that macro_mean_statistic() is not to count.
constexpr int64_t kLeftOut = -1;

// Numbers images that differ in file or crop.
std::string image_key(const EvalImage& image) {
  const Box box = image.crop.value_or(Box{});
  return fmt::format("{} {} {} {} {}", image.file.string(), box.x, box.y, box.width, box.height);
}

// Cases through all groups, with the rows of their images in a list of distinct ones.
struct FlatCases {
  std::vector<const CaptionCase*> cases;
  std::vector<int64_t> rows;
  std::vector<EvalImage> images;

  explicit FlatCases(std::span<const CaseGroup> groups) {
    std::unordered_map<std::string, int64_t> known;
    for (const CaseGroup& group : groups) {
      for (const CaptionCase& item : group.cases) {
        const auto [entry, added] =
            known.try_emplace(image_key(item.image), static_cast<int64_t>(images.size()));
        if (added) images.push_back(item.image);
        cases.push_back(&item);
        rows.push_back(entry->second);
      }
    }
  }
};

// An image of each file, in the order of the cases.
std::vector<EvalImage> distinct_files(std::span<const CaseGroup> groups) {
  std::vector<EvalImage> images;
  std::set<fs::path> known;
  for (const CaseGroup& group : groups) {
    for (const CaptionCase& item : group.cases) {
      if (known.insert(item.image.file).second) images.push_back(item.image);
    }
  }
  return images;
}

// Adds a metric over the last sample.
void add_metric(std::string name, Statistic statistic, double chance, Outcome& outcome) {
  outcome.metrics.push_back({.name = std::move(name),
                             .statistic = std::move(statistic),
                             .sample = outcome.samples.size() - 1,
                             .chance = chance});
}

}  // namespace

std::string filled_string(const Json& record, std::string_view key, std::string_view where) {
  std::string text = json_string(record, key, where);
  if (trim(text).empty())
    fail(ErrorKind::kData, "{}: \"{}\" is blank; expected a text", where, key);
  return text;
}

void for_each_record(const fs::path& path,
                     const std::function<void(const Json&, const std::string&)>& use) {
  const Json file = read_json(path);
  if (!file.is_structured() || file.empty()) {
    fail(ErrorKind::kData, "{}: expected a JSON array or object of cases, found {}", path.string(),
         file.empty() ? "none" : file.type_name());
  }
  for (const auto& [key, record] : file.items())
    use(record, fmt::format("{}, case {}", path.string(), key));
}

std::vector<fs::path> group_files(const fs::path& folder, std::span<const std::string_view> names) {
  std::vector<fs::path> files;
  for (const std::string_view name : names) files.push_back(folder / fmt::format("{}.json", name));
  return files;
}

std::vector<CaseGroup> read_caption_groups(const fs::path& folder,
                                           std::span<const std::string_view> names,
                                           std::span<const std::string_view> captions,
                                           const fs::path& images) {
  std::vector<CaseGroup> groups;
  for (const fs::path& file : group_files(folder, names)) {
    CaseGroup& group = groups.emplace_back();
    group.name = file.stem().string();
    for_each_record(file, [&](const Json& record, const std::string& where) {
      CaptionCase& added = group.cases.emplace_back();
      added.image.id = filled_string(record, "filename", where);
      added.image.file = images / added.image.id;
      for (const std::string_view key : captions)
        added.captions.push_back(filled_string(record, key, where));
    });
    group.in_all = static_cast<int64_t>(group.cases.size());
  }
  return groups;
}

std::optional<Lack> lack_of_files(std::string part, const std::vector<fs::path>& files,
                                  std::string remedy) {
  std::vector<std::string> missing;
  for (const fs::path& file : files) {
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored)) missing.push_back(file.string());
  }
  if (missing.empty()) return std::nullopt;
  return Lack{std::move(part), fmt::format("{}", fmt::join(missing, ", ")), std::move(remedy)};
}

std::string fetch_remedy(std::string_view name, const fs::path& folder) {
  return fmt::format("paraclip data fetch {}, or put the files into {}", name, folder.string());
}

std::optional<Lack> keep_cases_with_images(std::vector<CaseGroup>& groups,
                                           const BenchmarkData& data, std::string part,
                                           std::string remedy) {
  const std::vector<EvalImage> images = distinct_files(groups);
  const ImagesAtHand found = find_images(data, images);
  if (found.complete()) return std::nullopt;
  std::set<fs::path> at_hand;
  for (const int64_t row : found.rows) at_hand.insert(images[static_cast<size_t>(row)].file);
  for (CaseGroup& group : groups) {
    std::erase_if(group.cases, [&](const CaptionCase& item) {
      return !data.partial || !at_hand.contains(item.image.file);
    });
  }
  std::string what = found.missing();
  if (case_count(groups) > 0) what += "; measured without them" + partial_suffix(groups);
  return Lack{std::move(part), std::move(what), std::move(remedy)};
}

int64_t case_count(std::span<const CaseGroup> groups) {
  int64_t count = 0;
  for (const CaseGroup& group : groups) count += static_cast<int64_t>(group.cases.size());
  return count;
}

int64_t image_count(std::span<const CaseGroup> groups) {
  return static_cast<int64_t>(distinct_files(groups).size());
}

std::string partial_suffix(std::span<const CaseGroup> groups) {
  int64_t in_all = 0;
  for (const CaseGroup& group : groups) in_all += group.in_all;
  const int64_t count = case_count(groups);
  if (count == in_all) return {};
  return fmt::format(" ({} of {} cases)", with_commas(count), with_commas(in_all));
}

Sample sample_of(std::span<const CaseGroup> groups) {
  Sample sample;
  for (const CaseGroup& group : groups) {
    if (!group.cases.empty()) sample.strata.push_back(static_cast<int64_t>(group.cases.size()));
  }
  return sample;
}

std::vector<int64_t> group_numbers(std::span<const CaseGroup> groups) {
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < groups.size(); ++i)
    numbers.insert(numbers.end(), groups[i].cases.size(), static_cast<int64_t>(i));
  return numbers;
}

std::vector<std::vector<double>> caption_similarities(std::span<const CaseGroup> groups,
                                                      Encoder& encoder) {
  const FlatCases flat(groups);
  const at::Tensor images = encoder.encode_images(flat.images);
  std::vector<std::vector<double>> similarities;
  for (size_t start = 0; start < flat.cases.size(); start += kBlock) {
    const size_t end = std::min(start + kBlock, flat.cases.size());
    std::vector<std::string> texts;
    std::vector<int64_t> rows;
    for (size_t i = start; i < end; ++i) {
      const std::vector<std::string>& captions = flat.cases[i]->captions;
      texts.insert(texts.end(), captions.begin(), captions.end());
      rows.insert(rows.end(), captions.size(), flat.rows[i]);
    }
    const std::vector<double> values = row_similarities(
        encoder.encode_texts(texts), images.index_select(0, at::tensor(rows, at::kLong)));
    auto next = values.begin();
    for (size_t i = start; i < end; ++i) {
      const auto last = next + static_cast<std::ptrdiff_t>(flat.cases[i]->captions.size());
      similarities.emplace_back(next, last);
      next = last;
    }
  }
  return similarities;
}

std::vector<double> percent_right(std::span<const double> margins) {
  std::vector<double> percent;
  for (const double margin : margins) percent.push_back(margin > 0 ? 100 : 0);
  return percent;
}

void add_accuracies(const std::string& name, std::span<const CaseGroup> groups,
                    std::span<const double> percent, double chance, Outcome& outcome) {
  outcome.samples.push_back(sample_of(groups));
  const std::string suffix = partial_suffix(groups);
  const std::vector<int64_t> numbers = group_numbers(groups);
  std::vector<int64_t> counting = numbers;
  for (int64_t& number : counting) {
    if (!groups[static_cast<size_t>(number)].counts) number = kLeftOut;
  }
  if (std::any_of(counting.begin(), counting.end(), [](int64_t n) { return n != kLeftOut; })) {
    add_metric(name + suffix, macro_mean_statistic(percent, counting), chance, outcome);
    outcome.metrics.back().headline = true;
  }
  if (counting != numbers)
    add_metric(name + ".all" + suffix, macro_mean_statistic(percent, numbers), chance, outcome);
  add_metric(name + ".micro" + suffix, mean_statistic(percent), chance, outcome);
}

void add_group_accuracies(const std::string& name, std::span<const CaseGroup> groups,
                          std::span<const double> percent, double chance, Outcome& outcome) {
  size_t first = 0;
  for (const CaseGroup& group : groups) {
    if (group.cases.empty()) continue;
    std::vector<int64_t> units(group.cases.size());
    std::iota(units.begin(), units.end(), static_cast<int64_t>(first));
    add_metric(name + "." + group.name + partial_suffix({&group, 1}),
               mean_statistic(percent.subspan(first, units.size()), units), chance, outcome);
    first += units.size();
  }
}

void add_examples(const std::string& name, std::span<const CaseGroup> groups,
                  std::span<const std::string_view> labels,
                  std::span<const std::string_view> measures,
                  std::span<const std::vector<double>> similarities,
                  std::span<const double> margins, std::span<const double> percent,
                  Outcome& outcome) {
  size_t next = 0;
  for (const CaseGroup& group : groups) {
    const std::string part =
        (group.name.empty() ? name : name + "." + group.name) + partial_suffix({&group, 1});
    for (const CaptionCase& item : group.cases) {
      Example& example = outcome.examples.emplace_back();
      example.part = part;
      example.fields["image"] = item.image.id;
      if (item.image.crop) {
        const Box& box = *item.image.crop;
        example.fields["crop"] = {box.x, box.y, box.width, box.height};
      }
      for (size_t i = 0; i < labels.size(); ++i)
        example.fields[std::string(labels[i])] = item.captions[i];
      for (size_t i = 0; i < measures.size(); ++i)
        example.measured[std::string(measures[i])] = similarities[next][i];
      example.score = margins[next];
      example.right = percent[next] > 0;
      ++next;
    }
  }
}

}  // namespace paraclip
