#include "paraclip/embed/tar_source.h"

#include "paraclip/base/error.h"
#include "paraclip/base/log.h"
#include "paraclip/base/random.h"
#include "paraclip/embed/shard_list.h"
#include "paraclip/io/parquet.h"
#include "paraclip/io/tar.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// The rows of an img2dataset Parquet file by their keys.
using Rows = std::unordered_map<std::string, Json>;

Rows read_rows(const fs::path& tar) {
  fs::path path = tar;
  path.replace_extension(".parquet");
  Rows rows;
  if (!fs::exists(path)) return rows;
  const ParquetFile file(path);
  if (!file.contains("key")) return rows;
  const std::vector<std::string> keys = file.strings("key");
  std::vector<Json> records = file.records();
  for (size_t row = 0; row < keys.size(); ++row) rows[keys[row]] = std::move(records[row]);
  return rows;
}

// A run of members with one key.
struct Group {
  std::string key;
  std::map<std::string, std::string> members;  // Contents by suffix.
  std::map<std::string, std::string> problems;
};

class TarSampleReader : public SampleReader {
 public:
  TarSampleReader(const fs::path& path, const ImageSourceOptions& options)
      : path_(path),
        image_keys_(split_keys(options.image_key)),
        text_keys_(split_keys(options.text_key)),
        prefix_(options.prefix_ids ? path.stem().string() + "/" : ""),
        tar_(path),
        rows_(read_rows(path)) {}

  bool next(ImageSample& sample) override {
    Group group;
    if (!next_group(group)) return next_problem(sample);
    sample = ImageSample{};
    sample.id = prefix_ + group.key;
    sample.where = fmt::format("{}: {}", path_.string(), group.key);
    take_image(group, sample);
    take_metadata(group, sample);
    return true;
  }

 private:
  // Reads members until the key changes or a suffix comes again.
  bool next_group(Group& group) {
    group.key = std::exchange(pending_.key, "");
    group.members = std::exchange(pending_.members, {});
    group.problems = std::exchange(pending_.problems, {});
    for (TarMember member; tar_.next(member);) {
      const std::optional<MemberName> name = parse_member_name(member.name);
      if (!name || !wanted(name->suffix)) continue;
      const bool same = group.key == name->key && !group.members.contains(name->suffix);
      Group& target = same || group.members.empty() ? group : pending_;
      target.key = name->key;
      target.members[name->suffix].assign(reinterpret_cast<const char*>(member.bytes.data()),
                                          member.bytes.size());
      if (member.too_large) target.problems[name->suffix] = "the file is too large";
      if (&target == &pending_) return true;
    }
    return !group.members.empty();
  }

  bool wanted(const std::string& suffix) const {
    const auto in = [&suffix](const std::vector<std::string>& keys) {
      return std::find(keys.begin(), keys.end(), suffix) != keys.end();
    };
    return suffix == "json" || in(image_keys_) || in(text_keys_);
  }

  // What is wrong with the archive counts as an image that is.
  bool next_problem(ImageSample& sample) {
    if (tar_.problem().empty() || std::exchange(told_, true)) return false;
    sample = ImageSample{};
    sample.id = path_.filename().string();
    sample.where = path_.string();
    sample.problem =
        fmt::format("the archive is damaged, what follows is lost: {}", tar_.problem());
    return true;
  }

  void take_image(Group& group, ImageSample& sample) const {
    for (const std::string& key : image_keys_) {
      const auto found = group.members.find(key);
      if (found == group.members.end()) continue;
      sample.where += "." + key;
      sample.bytes = std::move(found->second);
      if (const auto problem = group.problems.find(key); problem != group.problems.end()) {
        sample.problem = problem->second;
      } else if (sample.bytes.empty()) {
        sample.problem = "the file is empty";
      }
      return;
    }
    sample.problem = fmt::format("it has none of the members {}", fmt::join(image_keys_, ", "));
  }

  void take_metadata(const Group& group, ImageSample& sample) {
    if (const auto row = rows_.find(group.key); row != rows_.end()) {
      flatten_json(row->second, sample.fields);
    }
    if (const auto json = group.members.find("json"); json != group.members.end()) {
      try {
        flatten_json(parse_json(json->second, sample.where), sample.fields);
      } catch (const Error& error) {
        if (!std::exchange(warned_, true)) {
          log().warn("{}; such metadata is left out", error.what());
        }
      }
    }
    for (const std::string& key : text_keys_) {
      const auto text = group.members.find(key);
      if (text == group.members.end()) continue;
      sample.caption = text->second;
      return;
    }
    if (const auto caption = sample.fields.find("caption");
        caption != sample.fields.end() && caption->is_string()) {
      sample.caption = caption->get<std::string>();
    }
  }

  fs::path path_;
  std::vector<std::string> image_keys_, text_keys_;
  std::string prefix_;
  TarReader tar_;
  Rows rows_;
  Group pending_;  // The first member of the group that comes next.
  bool told_ = false;
  bool warned_ = false;
};

class TarSource : public ImageSource {
 public:
  TarSource(std::vector<fs::path> tars, const ImageSourceOptions& options)
      : tars_(std::move(tars)), options_(options) {
    for (const fs::path& tar : tars_) {
      std::error_code error;
      sizes_.push_back(fs::file_size(tar, error));
      if (error) fail(ErrorKind::kIo, "cannot open {}: {}", tar.string(), error.message());
    }
  }

  size_t shards() const override { return tars_.size(); }
  std::string shard_name(size_t index) const override { return tars_[index].string(); }
  uint64_t shard_weight(size_t index) const override { return sizes_[index]; }
  std::optional<int64_t> images() const override { return std::nullopt; }
  std::unique_ptr<SampleReader> open(size_t index) const override {
    return std::make_unique<TarSampleReader>(tars_[index], options_);
  }

  std::string fingerprint() const override {
    std::string names =
        fmt::format("tars {} {} {}\n", options_.image_key, options_.text_key, options_.prefix_ids);
    for (size_t i = 0; i < tars_.size(); ++i) {
      names += fmt::format("{} {}\n", tars_[i].filename().string(), sizes_[i]);
    }
    return hash_hex(names);
  }

 private:
  std::vector<fs::path> tars_;
  std::vector<uint64_t> sizes_;
  ImageSourceOptions options_;
};

}  // namespace

std::optional<MemberName> parse_member_name(std::string_view name) {
  // webdataset/tariterators.py: meta files are __[^/]*__ and all that is below a folder named so.
  const size_t first_end = std::min(name.find('/'), name.size());
  const std::string_view first = name.substr(0, first_end);
  if (first.size() >= 4 && first.starts_with("__") && first.ends_with("__")) return std::nullopt;
  const size_t slash = name.rfind('/');
  const size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  const size_t dot = name.find('.', base);
  if (dot == std::string_view::npos || dot == base) return std::nullopt;
  MemberName parts{std::string(name.substr(0, dot)), std::string(name.substr(dot + 1))};
  for (char& c : parts.suffix) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return parts;
}

void flatten_json(const Json& object, Json& fields, const std::string& prefix) {
  if (!object.is_object()) return;
  for (const auto& [name, value] : object.items()) {
    if (value.is_object()) {
      flatten_json(value, fields, prefix + name + "_");
    } else {
      fields[prefix + name] = value.is_array() ? Json(dump_json(value)) : value;
    }
  }
}

std::unique_ptr<ImageSource> open_tar_source(std::vector<fs::path> tars,
                                             const ImageSourceOptions& options) {
  return std::make_unique<TarSource>(std::move(tars), options);
}

}  // namespace paraclip
