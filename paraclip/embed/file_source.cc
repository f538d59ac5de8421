#include "paraclip/embed/file_source.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/random.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/tsv.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kImageSuffixes[] = {".jpg", ".jpeg", ".png", ".webp"};

struct FileSample {
  std::string id;
  fs::path file;
  std::optional<std::string> caption;
  fs::path caption_file;  // Read when its turn comes; empty if there is none.
};

class FileSampleReader : public SampleReader {
 public:
  FileSampleReader(const FileSample* begin, const FileSample* end) : next_(begin), end_(end) {}

  bool next(ImageSample& sample) override {
    if (next_ == end_) return false;
    const FileSample& file = *next_++;
    sample = ImageSample{};
    sample.id = file.id;
    sample.where = file.file.string();
    sample.file = file.file;
    sample.caption = file.caption;
    if (!file.caption_file.empty()) sample.caption = read_file(file.caption_file);
    return true;
  }

 private:
  const FileSample* next_;
  const FileSample* end_;
};

class FileSource : public ImageSource {
 public:
  FileSource(std::string name, std::vector<FileSample> samples, int64_t shard_size)
      : name_(std::move(name)),
        samples_(std::move(samples)),
        shard_size_(static_cast<size_t>(shard_size)) {}

  size_t shards() const override { return (samples_.size() + shard_size_ - 1) / shard_size_; }
  std::string shard_name(size_t index) const override {
    return fmt::format("{}, images {} to {}", name_, begin(index), end(index) - 1);
  }
  uint64_t shard_weight(size_t index) const override { return end(index) - begin(index); }
  std::optional<int64_t> images() const override { return static_cast<int64_t>(samples_.size()); }
  std::unique_ptr<SampleReader> open(size_t index) const override {
    return std::make_unique<FileSampleReader>(samples_.data() + begin(index),
                                              samples_.data() + end(index));
  }

  std::string fingerprint() const override {
    std::string text = fmt::format("files {}\n", shard_size_);
    for (const FileSample& sample : samples_) {
      text += fmt::format("{}\t{}\t{}\n", sample.id, sample.caption.value_or(""),
                          sample.caption_file.empty());
    }
    return hash_hex(text);
  }

 private:
  size_t begin(size_t index) const { return index * shard_size_; }
  size_t end(size_t index) const { return std::min(samples_.size(), (index + 1) * shard_size_); }

  std::string name_;
  std::vector<FileSample> samples_;
  size_t shard_size_;
};

bool is_image_name(const fs::path& path) {
  std::string suffix = path.extension().string();
  for (char& c : suffix) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return std::find(std::begin(kImageSuffixes), std::end(kImageSuffixes), suffix) !=
         std::end(kImageSuffixes);
}

// The paths of all files below `folder` that are not hidden, as they are written below it.
std::vector<std::string> list_files(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator entry(folder, options, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().string().starts_with('.')) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      names.push_back(entry->path().lexically_relative(folder).generic_string());
    }
  }
  if (error)
    fail(ErrorKind::kIo, "cannot read the folder {}: {}", folder.string(), error.message());
  std::sort(names.begin(), names.end());
  return names;
}

// Of a table of images, which columns there are.
struct ListColumns {
  std::string path;
  bool caption = false;
  bool id = false;
};

// The columns that the first line of `list` names, if it is that of a table.
std::optional<ListColumns> list_columns(const fs::path& list) {
  LineReader reader(list);
  std::string_view line;
  if (!reader.next_filled(line)) return std::nullopt;
  const bool table = line.find('\t') != std::string_view::npos;
  ListColumns columns;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find('\t', begin), line.size());
    const std::string_view name = line.substr(begin, end - begin);
    if (columns.path.empty() && (name == "image" || name == "path")) columns.path = name;
    columns.caption |= name == "caption";
    columns.id |= name == "id";
    begin = end + 1;
  }
  if (!columns.path.empty()) return columns;
  if (!table) return std::nullopt;
  fail(
      ErrorKind::kData,
      "{}: found the columns \"{}\", expected \"image\" or \"path\" among them, or a file with one "
      "path a line",
      reader.where(), line);
}

std::vector<FileSample> read_table(const fs::path& list, const ListColumns& columns) {
  std::vector<std::string> names = {columns.path};
  if (columns.caption) names.emplace_back("caption");
  if (columns.id) names.emplace_back("id");
  std::vector<FileSample> samples;
  TsvReader reader(list, names);
  for (std::vector<std::string_view> row; reader.next(row);) {
    FileSample sample;
    sample.id = columns.id ? row.back() : row[0];
    sample.file = list.parent_path() / row[0];
    if (columns.caption) sample.caption = row[1];
    if (row[0].empty() || sample.id.empty()) {
      fail(ErrorKind::kData, "{}: found no path or no id, expected both", reader.where());
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::vector<FileSample> read_list(const fs::path& list) {
  if (const std::optional<ListColumns> columns = list_columns(list)) {
    return read_table(list, *columns);
  }
  std::vector<FileSample> samples;
  for (const std::string& line : read_lines(list)) {
    samples.push_back(
        {.id = line, .file = list.parent_path() / line, .caption = {}, .caption_file = {}});
  }
  return samples;
}

}  // namespace

std::unique_ptr<ImageSource> open_folder_source(const fs::path& folder, int64_t shard_size) {
  const std::vector<std::string> names = list_files(folder);
  std::vector<FileSample> samples;
  for (const std::string& name : names) {
    if (!is_image_name(name)) continue;
    FileSample sample{.id = name, .file = folder / name, .caption = {}, .caption_file = {}};
    const std::string caption = fs::path(name).replace_extension(".txt").generic_string();
    if (std::binary_search(names.begin(), names.end(), caption)) {
      sample.caption_file = folder / caption;
    }
    samples.push_back(std::move(sample));
  }
  if (samples.empty()) {
    fail(ErrorKind::kData, "{} holds no images; expected .jpg, .jpeg, .png or .webp files, or tars",
         folder.string());
  }
  return std::make_unique<FileSource>(folder.string(), std::move(samples), shard_size);
}

std::unique_ptr<ImageSource> open_list_source(const fs::path& list, int64_t shard_size) {
  std::vector<FileSample> samples = read_list(list);
  if (samples.empty()) fail(ErrorKind::kData, "{} lists no images", list.string());
  std::unordered_set<std::string_view> ids;
  for (const FileSample& sample : samples) {
    if (!ids.insert(sample.id).second) {
      fail(ErrorKind::kData, "{}: the id \"{}\" comes twice, expected one for each image",
           list.string(), sample.id);
    }
  }
  return std::make_unique<FileSource>(list.string(), std::move(samples), shard_size);
}

}  // namespace paraclip
