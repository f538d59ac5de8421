#include "paraclip/train/training_set.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <unordered_set>

namespace paraclip {
namespace {

static_assert(TrainingSet::kParts == TokenizedTriples::kParts);

constexpr size_t kListedIds = 10;

std::string list_ids(const std::vector<std::string>& ids) {
  const std::span<const std::string> shown(ids.data(), std::min(ids.size(), kListedIds));
  return fmt::format("{}{}", fmt::join(shown, ", "), ids.size() > kListedIds ? ", ..." : "");
}

void check_join(const JoinReport& report, const std::filesystem::path& path, double max_missing) {
  const double share = report.read == 0
                           ? 0.0
                           : static_cast<double>(report.missing) / static_cast<double>(report.read);
  if (share > max_missing) {
    fail(
        ErrorKind::kData,
        "{}: {} of {} triples name images that have no embedding, at most a share of {} is allowed "
        "(--max-missing); {} unknown ids: {}",
        path.string(), report.missing, report.read, max_missing, report.missing_ids.size(),
        list_ids(report.missing_ids));
  }
  if (report.kept == 0) {
    fail(ErrorKind::kData,
         "{}: no triple to train on: {} read, {} incomplete, {} of unknown images", path.string(),
         report.read, report.incomplete, report.missing);
  }
}

}  // namespace

TrainingSet TrainingSet::load(const std::filesystem::path& path, const ImageEmbeddings& images,
                              const TextModel& model, double max_missing,
                              const ProgressCallback& progress,
                              const std::filesystem::path& token_cache) {
  TrainingSet set(TokenizedTriples::load(path, model, token_cache, progress));
  const TokenizedTriples& triples = set.triples_;
  JoinReport& report = set.report_;
  report.read = triples.size();
  std::unordered_set<std::string_view> missing;
  for (int64_t record = 0; record < triples.size(); ++record) {
    const std::string_view image_id = triples.image_id(record);
    const auto row = images.row(image_id);
    if (!row) {
      ++report.missing;
      if (missing.insert(image_id).second) report.missing_ids.emplace_back(image_id);
      continue;
    }
    if (!triples.complete(record)) {
      ++report.incomplete;
      continue;
    }
    set.records_.push_back(record);
    set.image_rows_.push_back(*row);
    report.truncated += triples.truncated(record);
    ++report.kept;
  }
  check_join(report, path, max_missing);
  return set;
}

std::vector<int64_t> TrainingSet::tokens(int64_t sample, Part part) const {
  const std::span<const int32_t> ids = triples_.tokens(record(sample), part);
  return {ids.begin(), ids.end()};
}

std::string TrainingSet::fingerprint() const {
  uint64_t hash = hash64(fmt::format("{} triples", size()));
  for (int64_t sample = 0; sample < size(); ++sample) {
    const int64_t values[] = {image_row(sample), identity(sample, kCaption),
                              identity(sample, kParaphrase1), identity(sample, kParaphrase2)};
    hash = hash64({reinterpret_cast<const char*>(values), sizeof values}, hash);
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace paraclip
