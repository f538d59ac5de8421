#include "paraclip/paraphrase/captions.h"

#include "paraclip/base/error.h"
#include "paraclip/io/jsonl.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/tsv.h"
#include "paraclip/paraphrase/words.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace paraclip {
namespace {

constexpr std::string_view kCaptionKey = "caption";
constexpr std::string_view kImageKey = "image_id";

struct FormatName {
  std::string_view name;
  CaptionFormat format;
};
constexpr FormatName kFormats[] = {{"auto", CaptionFormat::kAuto},
                                   {"jsonl", CaptionFormat::kJsonl},
                                   {"tsv", CaptionFormat::kTsv},
                                   {"text", CaptionFormat::kText}};

CaptionFormat resolve_format(const CaptionOptions& options) {
  if (options.format != CaptionFormat::kAuto) return options.format;
  const std::string extension = options.file.extension().string();
  for (const std::string_view known : {".jsonl", ".json", ".ndjson"}) {
    if (extension == known) return CaptionFormat::kJsonl;
  }
  if (extension == ".tsv" || extension == ".tab") return CaptionFormat::kTsv;
  return CaptionFormat::kText;
}

// Filters and numbers captions on their way into the list.
class Sieve {
 public:
  Sieve(const CaptionOptions& options, CaptionList& list) : options_(options), list_(list) {}

  // Whether more captions are wanted.
  bool open() const { return options_.limit == 0 || list_.counts.kept < options_.limit; }

  void add(std::string_view text, std::string_view image_id, std::optional<int64_t> own_index,
           const std::string& where) {
    CaptionCounts& counts = list_.counts;
    ++counts.read;
    text = trim(text);
    const size_t words = split_words(text).size();
    if (words == 0) {
      ++counts.empty;
    } else if (words < static_cast<size_t>(options_.min_words)) {
      ++counts.too_short;
    } else if (words > static_cast<size_t>(options_.max_words)) {
      ++counts.too_long;
    } else {
      keep(text, trim(image_id), own_index, where);
    }
  }

 private:
  void keep(std::string_view text, std::string_view image_id, std::optional<int64_t> own_index,
            const std::string& where) {
    const int64_t index = own_index.value_or(list_.counts.kept);
    if (own_index.has_value() != own_indexes_ && list_.counts.kept > 0) {
      fail(ErrorKind::kData, "{}: some records have an \"index\" and some have none", where);
    }
    own_indexes_ = own_index.has_value();
    if (index < next_index_) {
      fail(ErrorKind::kData, "{}: \"index\" is {}, expected {} or more: indexes must ascend", where,
           index, next_index_);
    }
    next_index_ = index + 1;
    ++list_.counts.kept;
    if (index % options_.shards == options_.shard - 1) list_.add(index, image_id, text);
  }

  const CaptionOptions& options_;
  CaptionList& list_;
  bool own_indexes_ = false;
  int64_t next_index_ = 0;
};

void read_jsonl(const CaptionOptions& options, Sieve& sieve) {
  const std::string caption_key(options.caption_key.empty() ? kCaptionKey : options.caption_key);
  const std::string image_key(options.image_key.empty() ? kImageKey : options.image_key);
  JsonlReader reader(options.file);
  for (Json record; sieve.open() && reader.next(record);) {
    const std::string where = reader.where();
    const std::string caption = json_string(record, caption_key, where);
    std::string image_id;
    if (!options.image_key.empty() || record.contains(image_key)) {
      // COCO and others number their images.
      const bool number = record.contains(image_key) && record[image_key].is_number_integer();
      image_id = number ? dump_json(record[image_key]) : json_string(record, image_key, where);
    }
    std::optional<int64_t> index;
    if (record.contains("index")) index = json_integer(record, "index", where);
    sieve.add(caption, image_id, index, where);
  }
}

// The column number that `key` is, counted from 0.
std::optional<size_t> column_number(std::string_view key) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
  if (error != std::errc() || end != key.data() + key.size() || number == 0) return std::nullopt;
  return number - 1;
}

// Field `column` of a line of tab-separated values, if there is one.
std::optional<std::string_view> tsv_field(std::string_view line, size_t column) {
  for (; column > 0; --column) {
    const size_t tab = line.find('\t');
    if (tab == std::string_view::npos) return std::nullopt;
    line.remove_prefix(tab + 1);
  }
  return line.substr(0, line.find('\t'));
}

bool header_names(const std::filesystem::path& file, std::string_view name) {
  LineReader lines(file);
  std::string_view header;
  if (!lines.next_filled(header)) return false;
  for (size_t column = 0;; ++column) {
    const std::optional<std::string_view> field = tsv_field(header, column);
    if (!field || *field == name) return field.has_value();
  }
}

void read_headed_tsv(const CaptionOptions& options, Sieve& sieve) {
  std::vector<std::string> columns = {
      std::string(options.caption_key.empty() ? kCaptionKey : options.caption_key)};
  if (!options.image_key.empty()) {
    columns.push_back(options.image_key);
  } else if (header_names(options.file, kImageKey)) {
    columns.emplace_back(kImageKey);
  }
  TsvReader reader(options.file, columns);
  for (std::vector<std::string_view> row; sieve.open() && reader.next(row);)
    sieve.add(row[0], row.size() > 1 ? row[1] : std::string_view(), std::nullopt, reader.where());
}

void read_bare_tsv(const CaptionOptions& options, size_t caption_column,
                   std::optional<size_t> image_column, Sieve& sieve) {
  LineReader lines(options.file);
  for (std::string_view line; sieve.open() && lines.next_filled(line);) {
    const auto field = [&](size_t column) {
      const std::optional<std::string_view> found = tsv_field(line, column);
      if (!found) {
        fail(ErrorKind::kData, "{}: there is no column {}; columns are parted by tabs",
             lines.where(), column + 1);
      }
      return *found;
    };
    sieve.add(field(caption_column), image_column ? field(*image_column) : std::string_view(),
              std::nullopt, lines.where());
  }
}

void read_tsv(const CaptionOptions& options, Sieve& sieve) {
  const std::optional<size_t> caption_column = column_number(options.caption_key);
  const std::optional<size_t> image_column = column_number(options.image_key);
  if (caption_column || image_column) {
    const bool mixed = (!caption_column && !options.caption_key.empty()) ||
                       (!image_column && !options.image_key.empty());
    if (mixed) {
      fail(
          ErrorKind::kUsage,
          "{}: the columns of the caption and of the image id are '{}' and '{}'; give two names or "
          "two numbers",
          options.file.string(), options.caption_key, options.image_key);
    }
    return read_bare_tsv(options, caption_column.value_or(0), image_column, sieve);
  }
  const bool named = !options.caption_key.empty() || !options.image_key.empty();
  if (named || header_names(options.file, kCaptionKey)) return read_headed_tsv(options, sieve);
  LineReader lines(options.file);
  std::string_view first;
  const bool has_second = lines.next_filled(first) && tsv_field(first, /*column=*/1).has_value();
  read_bare_tsv(options, /*caption_column=*/0, has_second ? std::optional<size_t>(1) : std::nullopt,
                sieve);
}

void read_text(const CaptionOptions& options, Sieve& sieve) {
  LineReader lines(options.file);
  std::optional<LineReader> ids;
  if (!options.image_ids.empty()) ids.emplace(options.image_ids);
  std::string_view line;
  std::string_view id;
  while (sieve.open() && lines.next(line)) {
    if (ids && !ids->next(id)) {
      fail(ErrorKind::kData, "{} ends after line {}, but {} goes on: they must have as many lines",
           options.image_ids.string(), ids->line(), options.file.string());
    }
    sieve.add(line, ids ? std::string(id) : std::to_string(lines.line()), std::nullopt,
              lines.where());
  }
  if (ids && sieve.open() && ids->next(id)) {
    fail(ErrorKind::kData, "{} goes on after line {}, where {} ends: they must have as many lines",
         options.image_ids.string(), lines.line(), options.file.string());
  }
}

}  // namespace

void CaptionOptions::validate() const {
  if (min_words < 1 || max_words < min_words) {
    fail(ErrorKind::kUsage,
         "captions of {} to {} words were asked for; expected 1 <= least <= most", min_words,
         max_words);
  }
  if (limit < 0) fail(ErrorKind::kUsage, "the limit of captions is {}, expected 0 or more", limit);
  if (shards < 1 || shard < 1 || shard > shards) {
    fail(ErrorKind::kUsage, "shard {}/{} was asked for, expected 1/{} to {}/{}", shard, shards,
         std::max<int64_t>(shards, 1), std::max<int64_t>(shards, 1), std::max<int64_t>(shards, 1));
  }
}

CaptionView CaptionList::operator[](size_t position) const {
  const Entry& entry = entries_[position];
  const std::string_view block =
      std::string_view(text_).substr(entry.offset, size_t{entry.image_id_size} + entry.text_size);
  return {entry.index, block.substr(0, entry.image_id_size), block.substr(entry.image_id_size)};
}

size_t CaptionList::find(int64_t index) const {
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), index,
                       [](const Entry& entry, int64_t wanted) { return entry.index < wanted; });
  if (found == entries_.end() || found->index != index) return size();
  return static_cast<size_t>(found - entries_.begin());
}

void CaptionList::add(int64_t index, std::string_view image_id, std::string_view text) {
  constexpr size_t kLongest = std::numeric_limits<uint32_t>::max();
  if (image_id.size() > kLongest || text.size() > kLongest)
    fail(ErrorKind::kData, "caption {} is longer than {} bytes", index, kLongest);
  entries_.push_back({index, text_.size(), static_cast<uint32_t>(image_id.size()),
                      static_cast<uint32_t>(text.size())});
  text_.append(image_id).append(text);
}

CaptionList read_captions(const CaptionOptions& options) {
  options.validate();
  const CaptionFormat format = resolve_format(options);
  if (!options.image_ids.empty() && format != CaptionFormat::kText) {
    fail(ErrorKind::kUsage, "{} is not plain text: its image ids are in it, not in {}",
         options.file.string(), options.image_ids.string());
  }
  if (format == CaptionFormat::kText &&
      (!options.caption_key.empty() || !options.image_key.empty()))
    fail(ErrorKind::kUsage,
         "{} is read as plain text, which has no keys or columns; name its format",
         options.file.string());
  CaptionList list;
  Sieve sieve(options, list);
  switch (format) {
    case CaptionFormat::kJsonl: read_jsonl(options, sieve); break;
    case CaptionFormat::kTsv: read_tsv(options, sieve); break;
    case CaptionFormat::kText:
    case CaptionFormat::kAuto: read_text(options, sieve); break;
  }
  return list;
}

CaptionFormat parse_caption_format(std::string_view name) {
  std::vector<std::string_view> known;
  for (const FormatName& entry : kFormats) {
    if (entry.name == name) return entry.format;
    known.push_back(entry.name);
  }
  fail(ErrorKind::kUsage, "unknown caption format '{}'; expected one of {}", name,
       fmt::join(known, ", "));
}

}  // namespace paraclip
