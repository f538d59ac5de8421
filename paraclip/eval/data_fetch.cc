#include "paraclip/eval/data_fetch.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/io/download.h"

#include <algorithm>
#include <iterator>
#include <system_error>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMissing = "missing";

std::string url_of(const DataSource& source, const FetchOptions& options) {
  if (options.mirror.empty()) return source.url;
  return fmt::format("{}{}{}", options.mirror, options.mirror.ends_with('/') ? "" : "/",
                     source.path);
}

Download download_of(const DataSource& source, const FetchOptions& options) {
  const fs::path target = options.folder / source.path;
  return {.url = url_of(source, options),
          .size = source.size,
          .digest = source.sha256,
          .source = "the catalogue",
          .target = target,
          .partial = target.string() + ".partial"};
}

std::string size_and_hash(const DataSource& source) {
  return fmt::format("{}, {}",
                     source.size < 0 ? "size not known" : fmt::format("{} bytes", source.size),
                     source.sha256.empty() ? "sha256 not known" : "sha256 " + source.sha256);
}

// Whether a plain file is there and is the catalogue's; of an archive, whether all that it gives
// is.
bool is_done(const DataSource& source, const FetchOptions& options) {
  if (!lack_of(source, options.folder).empty()) return false;
  if (!source.unpack.empty()) return true;
  try {
    check_content(download_of(source, options), options.folder / source.path);
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;
    return false;
  }
}

[[noreturn]] void fail_missing(const DataSet& set, const FetchOptions& options,
                               const std::string& why) {
  std::string files;
  for (const DataSource& source : set.sources) {
    if (!lack_of(source, options.folder).empty()) {
      files += fmt::format("\n{}", instructions(source, options.folder));
    }
  }
  fail(ErrorKind::kNetwork,
       "cannot fetch all of {}: {}. Run again when the network is there, or put what is missing "
       "into its place:{}",
       set.name, why, files);
}

// Fetches the sources of one data set that are not done, telling of all bytes together.
class Fetch {
 public:
  Fetch(const DataSet& set, const FetchOptions& options, const ProgressCallback& progress,
        std::vector<const DataSource*> sources)
      : set_(set),
        options_(options),
        progress_(progress),
        sources_(std::move(sources)),
        connection_(options.web) {
    const bool known =
        std::ranges::all_of(sources_, [](const auto* one) { return one->size >= 0; });
    for (const DataSource* source : sources_) total_ += known ? source->size : 0;
  }

  void run(FetchReport& report) {
    for (const DataSource* source : sources_) {
      const Download file = download_of(*source, options_);
      make_directories(file.target.parent_path());
      const bool archive = !source->unpack.empty();
      const bool there = archive && fs::is_regular_file(file.target);
      if (there) {
        check_content(file, file.target);
      } else {
        get(file);
        ++report.downloads;
      }
      before_ += static_cast<int64_t>(fs::file_size(file.target));
      if (!archive) continue;
      unpack(*source, file.target);
      std::error_code ignored;
      if (!there) fs::remove(file.target, ignored);
    }
    report.bytes += received_;
  }

 private:
  void tell(const std::string& what, const std::string& file, int64_t done, int64_t total) {
    if (!progress_) return;
    progress_({.label = what + " " + set_.name,
               .unit = "bytes",
               .done = done,
               .total = total,
               .detail = file});
  }

  void get(const Download& file) {
    std::error_code ignored;
    // What was there before cannot be told from another version of the file.
    if (file.digest.empty()) fs::remove(file.partial, ignored);
    const std::string name = file.target.filename().string();
    int64_t begun = -1, last = 0;
    try {
      download(
          connection_, file,
          [&](int64_t done) {
            if (begun < 0) begun = done;
            last = done;
            tell("download", name, before_ + done, total_);
          },
          [&](const WebReply& reply) {
            fail(ErrorKind::kNetwork, "{} was refused: {}", file.url, reply.reason());
          });
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kNetwork) fail_missing(set_, options_, error.what());
      throw;
    }
    received_ += std::max<int64_t>(0, last - begun);
  }

  void unpack(const DataSource& source, const fs::path& archive) {
    const std::string name = archive.filename().string();
    paraclip::unpack(archive, source.unpack, options_.folder,
                     [&](int64_t done) { tell("unpack", name, done, /*total=*/0); });
    if (const std::string lack = lack_of(source, options_.folder); !lack.empty()) {
      fail(ErrorKind::kData, "{} was unpacked, but what it should give is not whole: {}",
           archive.string(), lack);
    }
  }

  const DataSet& set_;
  const FetchOptions& options_;
  const ProgressCallback& progress_;
  std::vector<const DataSource*> sources_;
  WebConnection connection_;
  int64_t total_ = 0;     // 0 if the size of one is not known.
  int64_t before_ = 0;    // Of the files that are done.
  int64_t received_ = 0;  // From the network.
};

}  // namespace

std::string lack_of(const DataPlace& place, const fs::path& folder) {
  const fs::path path = folder / place.path;
  std::error_code ignored;
  if (place.files == 0) return std::string(fs::is_regular_file(path, ignored) ? "" : kMissing);
  int64_t count = 0;
  for (fs::recursive_directory_iterator entry(path, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    count += entry->is_regular_file(ignored) ? 1 : 0;
  }
  if (count >= place.files) return "";
  return count == 0 ? std::string(kMissing) : fmt::format("{} of {} files", count, place.files);
}

std::string lack_of(const DataSource& source, const fs::path& folder) {
  for (const DataPlace& place : source.places) {
    const std::string lack = lack_of(place, folder);
    if (lack == kMissing) return place.path;
    if (!lack.empty()) return fmt::format("{} ({})", place.path, lack);
  }
  if (!source.unpack.empty() || source.size < 0) return "";
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(folder / source.path, error));
  if (!error && size == source.size) return "";
  return fmt::format("{} ({} bytes, expected {})", source.path, error ? 0 : size, source.size);
}

std::string instructions(const DataSource& source, const fs::path& folder) {
  if (source.url.empty()) {
    std::string text;
    for (const DataPlace& place : source.places) {
      text += fmt::format("  {}{}\n", (folder / place.path).string(),
                          place.files == 0 ? "" : fmt::format(" ({} files)", place.files));
    }
    return text + "    by hand: " + source.by_hand;
  }
  return fmt::format("  {}{}\n    from {}\n    {}", (folder / source.path).string(),
                     source.unpack.empty() ? "" : " (an archive: run again, and it is unpacked)",
                     source.url, size_and_hash(source));
}

void FetchOptions::validate() const {
  if (!mirror.empty() && !mirror.starts_with("http://") && !mirror.starts_with("https://")) {
    fail(ErrorKind::kUsage, "--mirror: expected an address with http:// or https://, found \"{}\"",
         mirror);
  }
}

FetchReport fetch_data(const DataSet& set, const FetchOptions& options,
                       const ProgressCallback& progress) {
  options.validate();
  FetchReport report;
  std::vector<const DataSource*> sources;
  for (const DataSource& source : set.sources) {
    if (!source.url.empty()) {
      if (!is_done(source, options)) sources.push_back(&source);
    } else if (!lack_of(source, options.folder).empty()) {
      report.by_hand.push_back(instructions(source, options.folder));
    }
  }
  if (!sources.empty()) Fetch(set, options, progress, std::move(sources)).run(report);
  return report;
}

}  // namespace paraclip
