#include "paraclip/train/training_set.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/base/signals.h"
#include "paraclip/io/jsonl.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>
#include <unordered_set>

namespace paraclip {
namespace {

constexpr std::array kPartKeys = {"caption", "paraphrase_1", "paraphrase_2"};
constexpr size_t kListedIds = 10;

std::string_view bytes_of(std::span<const int32_t> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

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
                              const ProgressCallback& progress) {
  TrainingSet set;
  JoinReport& report = set.report_;
  std::unordered_set<std::string> missing;
  JsonlReader reader(path);
  for (Json record; reader.next(record);) {
    if (stop_requested())
      fail(ErrorKind::kInterrupted, "interrupted while reading {}", path.string());
    ++report.read;
    const std::string where = reader.where();
    const std::string image_id = json_string(record, "image_id", where);
    std::array<std::string, kParts> texts;
    for (size_t part = 0; part < kParts; ++part) {
      texts[part] = json_string_or(record, kPartKeys[part], "", where);
    }
    const auto row = images.row(image_id);
    if (!row) {
      ++report.missing;
      if (missing.insert(image_id).second) report.missing_ids.push_back(image_id);
      continue;
    }
    if (std::any_of(texts.begin(), texts.end(), [](const auto& text) { return text.empty(); })) {
      ++report.incomplete;
      continue;
    }
    set.image_rows_.push_back(*row);
    for (const std::string& text : texts) {
      const Tokenizer::Encoded encoded =
          model.tokenizer().encode(text, model.config().text.context_length);
      report.truncated += encoded.truncated ? 1 : 0;
      const size_t begin = set.tokens_.size();
      const size_t length = pooled_length(encoded.ids, model.config().text);
      set.tokens_.insert(set.tokens_.end(), encoded.ids.begin(),
                         encoded.ids.begin() + static_cast<ptrdiff_t>(length));
      set.bounds_.push_back(set.tokens_.size());
      set.identities_.push_back(
          static_cast<int64_t>(hash64(bytes_of(std::span(set.tokens_).subspan(begin)))));
    }
    ++report.kept;
    if (progress) progress({"read triples", "triples", report.kept, 0, ""});
  }
  check_join(report, path, max_missing);
  return set;
}

std::vector<int64_t> TrainingSet::tokens(int64_t sample, Part part) const {
  const size_t text = text_index(sample, part);
  return {tokens_.begin() + static_cast<ptrdiff_t>(bounds_[text]),
          tokens_.begin() + static_cast<ptrdiff_t>(bounds_[text + 1])};
}

int64_t TrainingSet::identity(int64_t sample, Part part) const {
  return identities_[text_index(sample, part)];
}

std::string TrainingSet::fingerprint() const {
  uint64_t hash = hash64(bytes_of(tokens_));
  const auto add = [&](const auto& values) {
    hash = hash64({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])},
                  hash);
  };
  add(bounds_);
  add(image_rows_);
  return fmt::format("{:016x}", hash);
}

}  // namespace paraclip
