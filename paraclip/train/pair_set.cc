#include "paraclip/train/pair_set.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/embed/tar_source.h"
#include "paraclip/io/tar.h"
#include "paraclip/io/tsv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kImageSuffixes = {"jpg", "jpeg", "png", "webp"};

}  // namespace

void PairSet::add_image(Location location, std::span<const std::string> captions,
                        const TextModel& model) {
  const int64_t length = model.config().text.context_length;
  for (const std::string& caption : captions) {
    const Tokenizer::Encoded encoded = model.tokenizer().encode(caption, length);
    truncated_ += encoded.truncated ? 1 : 0;
    const auto kept = static_cast<ptrdiff_t>(pooled_length(encoded.ids, model.config().text));
    tokens_.insert(tokens_.end(), encoded.ids.begin(), encoded.ids.begin() + kept);
    bounds_.push_back(tokens_.size());
  }
  images_.push_back(std::move(location));
  first_captions_.push_back(static_cast<int64_t>(bounds_.size()) - 1);
}

void PairSet::check(const fs::path& source) const {
  if (!images_.empty()) return;
  fail(ErrorKind::kData, "{} holds no image with a caption ({} left out)", source.string(),
       left_out_);
}

PairSet PairSet::from_folder(const fs::path& folder, const fs::path& captions,
                             const TextModel& model, const ProgressCallback& progress) {
  PairSet set;
  set.folder_ = folder;
  std::unordered_map<std::string, size_t> index;
  std::vector<std::pair<std::string, std::vector<std::string>>> images;
  TsvReader reader(captions, {"image_id", "caption"});
  for (std::vector<std::string_view> row; reader.next(row);) {
    const auto [place, added] = index.emplace(row[0], images.size());
    if (added) {
      if (!fs::is_regular_file(folder / row[0])) {
        fail(ErrorKind::kData, "{}: there is no image \"{}\" in {}", reader.where(), row[0],
             folder.string());
      }
      images.emplace_back(row[0], std::vector<std::string>());
    }
    images[place->second].second.emplace_back(row[1]);
  }
  for (const auto& [name, texts] : images) {
    set.add_image({name}, texts, model);
    if (progress) {
      progress({"read captions", "images", set.size(), static_cast<int64_t>(images.size()), ""});
    }
  }
  set.check(captions);
  return set;
}

PairSet PairSet::from_shards(const std::vector<fs::path>& shards, const TextModel& model,
                             const ProgressCallback& progress) {
  PairSet set;
  for (const fs::path& path : shards) {
    set.shards_.push_back(MappedFile::open(path));
    Location location;
    std::string caption;
    bool has_image = false, has_caption = false;
    const auto finish = [&] {
      if (location.name.empty()) return;
      if (has_image && has_caption) {
        set.add_image(location, {&caption, 1}, model);
      } else {
        ++set.left_out_;
      }
      has_image = has_caption = false;
    };
    TarReader reader(path);
    for (TarMember member; reader.next(member);) {
      const auto name = parse_member_name(member.name);
      if (!name) continue;
      const auto& [key, suffix] = *name;
      if (key != location.name) {
        finish();
        location = {key, set.shards_.size() - 1};
      }
      if (suffix == "txt" && !member.too_large) {
        caption.assign(reinterpret_cast<const char*>(member.bytes.data()), member.bytes.size());
        has_caption = true;
      } else if (std::find(kImageSuffixes.begin(), kImageSuffixes.end(), suffix) !=
                     kImageSuffixes.end() &&
                 !member.too_large) {
        if (!member.offset) {
          fail(ErrorKind::kData,
               "{} is compressed, and training draws its images at random; unpack it",
               path.string());
        }
        location.offset = *member.offset;
        location.size = member.bytes.size();
        has_image = true;
      }
    }
    finish();
    if (!reader.problem().empty()) fail(ErrorKind::kData, "{}", reader.problem());
    if (progress) {
      progress({"read shards", "shards", static_cast<int64_t>(set.shards_.size()),
                static_cast<int64_t>(shards.size()), ""});
    }
  }
  set.check(shards.empty() ? fs::path("the list of shards") : shards.front());
  return set;
}

std::string PairSet::name(int64_t image) const {
  const Location& location = images_[static_cast<size_t>(image)];
  const fs::path& source = folder_.empty() ? shards_[location.shard]->path() : folder_;
  return (source / location.name).string();
}

std::string PairSet::bytes(int64_t image) const {
  const Location& location = images_[static_cast<size_t>(image)];
  if (!folder_.empty()) return read_file(folder_ / location.name);
  return std::string(shards_[location.shard]->text().substr(location.offset, location.size));
}

std::pair<int64_t, int64_t> PairSet::captions(int64_t image) const {
  const auto index = static_cast<size_t>(image);
  return {first_captions_[index], first_captions_[index + 1]};
}

std::vector<int64_t> PairSet::tokens(int64_t caption) const {
  const auto index = static_cast<size_t>(caption);
  return {tokens_.begin() + static_cast<ptrdiff_t>(bounds_[index]),
          tokens_.begin() + static_cast<ptrdiff_t>(bounds_[index + 1])};
}

int64_t PairSet::identity(int64_t caption) const {
  const auto index = static_cast<size_t>(caption);
  return static_cast<int64_t>(
      hash64({reinterpret_cast<const char*>(tokens_.data() + bounds_[index]),
              (bounds_[index + 1] - bounds_[index]) * sizeof(int32_t)}));
}

std::string PairSet::fingerprint() const {
  uint64_t hash =
      hash64({reinterpret_cast<const char*>(tokens_.data()), tokens_.size() * sizeof(tokens_[0])});
  hash = hash64(
      {reinterpret_cast<const char*>(bounds_.data()), bounds_.size() * sizeof(bounds_[0])}, hash);
  for (const Location& location : images_) {
    hash = hash64(location.name, hash ^ location.offset ^ mix64(location.size));
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace paraclip
