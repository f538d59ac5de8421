#pragma once

#include "paraclip/eval/benchmark.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// The subsets of SugarCrepe++, a file each in sugar_crepe_pp/.
inline constexpr std::array<std::string_view, 5> kSugarCrepePlusPlusSubsets = {
    "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"};

/// An image and captions of it, true ones and false ones in an order that the benchmark fixes.
struct CaptionCase {
  EvalImage image;
  std::vector<std::string> captions;
};

/// The cases of one subset of a benchmark, or of one relation.
struct CaseGroup {
  std::string name;
  std::vector<CaptionCase> cases;  ///< Those that can be used.
  int64_t in_all = 0;              ///< Of the data: more than `cases` where images are missing.
  bool counts = true;              ///< Whether it is part of the headline's mean over groups.
};

/// The member `key` of `record`: a text that is not blank. Throws kData, naming `where`.
std::string filled_string(const Json& record, std::string_view key, std::string_view where);

/// Calls `use` with each member of the JSON array or object of cases in `path` and with its place
/// for messages ("FILE, case 3", by index or key). Throws kIo; kData for other JSON or none; what
/// `use` throws.
void for_each_record(const std::filesystem::path& path,
                     const std::function<void(const Json& record, const std::string& where)>& use);

/// The cases of group_files(), a group a file, as SugarCrepe's and SugarCrepe++'s files have them:
/// `filename` of an image in the folder `images`, and captions under the keys `captions`. Throws
/// kIo, kData.
std::vector<CaseGroup> read_caption_groups(const std::filesystem::path& folder,
                                           std::span<const std::string_view> names,
                                           std::span<const std::string_view> captions,
                                           const std::filesystem::path& images);

/// FOLDER/NAME.json for each of `names`.
std::vector<std::filesystem::path> group_files(const std::filesystem::path& folder,
                                               std::span<const std::string_view> names);

/// The files among `files` that are not there, as what `part` lacks; nothing where all are.
std::optional<Lack> lack_of_files(std::string part, const std::vector<std::filesystem::path>& files,
                                  std::string remedy);

/// "paraclip data fetch NAME, or put the files into FOLDER".
std::string fetch_remedy(std::string_view name, const std::filesystem::path& folder);

/// Removes the cases whose image is not at hand, all cases where one is not unless `data.partial`,
/// and says what is missing; nothing where all images are at hand.
std::optional<Lack> keep_cases_with_images(std::vector<CaseGroup>& groups,
                                           const BenchmarkData& data, std::string part,
                                           std::string remedy);

/// The number of cases that can be used.
int64_t case_count(std::span<const CaseGroup> groups);

/// The number of different image files of the cases.
int64_t image_count(std::span<const CaseGroup> groups);

/// What names of metrics of these groups end in: " (140 of 4,757 cases)", or nothing where all
/// cases can be used.
std::string partial_suffix(std::span<const CaseGroup> groups);

/// The sample with a stratum for each group that has cases: a case is a unit.
Sample sample_of(std::span<const CaseGroup> groups);

/// Of each case, through the groups in order, the number of its group.
std::vector<int64_t> group_numbers(std::span<const CaseGroup> groups);

/// The similarities of each case's image to its captions, [cases][captions], through the groups in
/// order; by row_similarities(), so that equal captions tie. Throws what the encoder throws.
std::vector<std::vector<double>> caption_similarities(std::span<const CaseGroup> groups,
                                                      Encoder& encoder);

/// 100 for each margin above 0, else 0: a tie is wrong.
std::vector<double> percent_right(std::span<const double> margins);

/// Adds a sample of the groups and the means over it of `percent`, one value a case: NAME, the
/// headline, over the groups that count, all alike (if there are any); NAME.all, over all groups,
/// where some don't count; NAME.micro, over all cases alike.
void add_accuracies(const std::string& name, std::span<const CaseGroup> groups,
                    std::span<const double> percent, double chance, Outcome& outcome);

/// Adds the mean of `percent` over each group: NAME.GROUP, over the sample that add_accuracies()
/// added last.
void add_group_accuracies(const std::string& name, std::span<const CaseGroup> groups,
                          std::span<const double> percent, double chance, Outcome& outcome);

/// Adds an example for each case: part NAME.GROUP (NAME where the group has no name), its image and
/// crop, its captions under `labels`, its similarities under `measures`; the score is its margin,
/// and it is right where its `percent` is above 0.
void add_examples(const std::string& name, std::span<const CaseGroup> groups,
                  std::span<const std::string_view> labels,
                  std::span<const std::string_view> measures,
                  std::span<const std::vector<double>> similarities,
                  std::span<const double> margins, std::span<const double> percent,
                  Outcome& outcome);

}  // namespace paraclip
