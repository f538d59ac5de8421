#include "paraclip/io/unpack.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/signals.h"
#include "paraclip/io/archive_handle.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBlock = size_t{1} << 18;

[[noreturn]] void fail_errno(const char* doing, const fs::path& path) {
  fail(ErrorKind::kIo, "cannot {} {}: {}{}", doing, path.string(), std::strerror(errno),
       errno == ENOSPC || errno == EDQUOT ? "; free some space and run again" : "");
}

class OutputFile {
 public:
  explicit OutputFile(const fs::path& path)
      : path_(path),
        fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail_errno("create", path_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() { ::close(fd_); }

  void write(const char* data, size_t size, int64_t offset) {
    while (size > 0) {
      const ssize_t written = ::pwrite(fd_, data, size, offset);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_errno("write", path_);
      data += written;
      size -= static_cast<size_t>(written);
      offset += written;
    }
  }

 private:
  const fs::path& path_;
  int fd_;
};

// Reads one archive, member by member, into a folder of its own.
class Unpacker {
 public:
  Unpacker(const fs::path& archive, std::span<const UnpackRule> rules, const fs::path& staging,
           const UnpackLimits& limits, const std::function<void(int64_t)>& progress)
      : archive_(archive),
        rules_(rules),
        used_(rules.size(), false),
        staging_(staging),
        limits_(limits),
        progress_(progress) {}

  // The files that were written, relative to the folder.
  std::vector<fs::path> run() {
    const Utf8Locale locale;
    open();
    std::vector<fs::path> files;
    archive_entry* entry = nullptr;
    for (int64_t members = 0; next(entry); ++members) {
      if (members == limits_.members) refuse("more than {} members", limits_.members);
      const std::string name = checked_name(entry);
      const auto type = ::archive_entry_filetype(entry);
      if (type == AE_IFDIR) continue;
      if (type != AE_IFREG || ::archive_entry_hardlink(entry) != nullptr) {
        refuse("\"{}\", which is a link or a device", name);
      }
      const std::optional<fs::path> place = place_of(name);
      if (!place) continue;
      write(name, *place);
      files.push_back(*place);
    }
    for (size_t i = 0; i < rules_.size(); ++i) {
      if (!used_[i]) {
        fail(ErrorKind::kData,
             "cannot unpack {}: it has no {}, so it is not the archive that was "
             "expected; nothing was unpacked",
             archive_.string(), rules_[i].from);
      }
    }
    return files;
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> what, Args&&... args) const {
    fail(ErrorKind::kData,
         "cannot unpack {}: it holds {}, which no archive of data should; nothing was unpacked, "
         "remove it",
         archive_.string(), fmt::format(what, std::forward<Args>(args)...));
  }

  [[noreturn]] void fail_damaged() const {
    fail(ErrorKind::kData, "cannot unpack {}: {}; nothing was unpacked; remove it and get it again",
         archive_.string(), archive_error(reader_.get()));
  }

  void open() {
    reader_.reset(::archive_read_new());
    if (!reader_) throw std::bad_alloc();
    ::archive_read_support_format_tar(reader_.get());
    ::archive_read_support_format_zip(reader_.get());
    ::archive_read_support_filter_gzip(reader_.get());
    ::archive_read_support_filter_bzip2(reader_.get());
    ::archive_read_support_filter_xz(reader_.get());
    if (::archive_read_open_filename(reader_.get(), archive_.c_str(), kReadBlock) != ARCHIVE_OK) {
      fail_damaged();
    }
  }

  bool next(archive_entry*& entry) {
    if (stop_requested()) {
      fail(ErrorKind::kInterrupted, "interrupted while unpacking {}; nothing was unpacked",
           archive_.string());
    }
    const int result = ::archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) return false;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail_damaged();
    return true;
  }

  // Its parts without "." between them. Whatever could lead out of the folder is refused, also in
  // members that nobody wants: such an archive was made by nobody who means well.
  std::string checked_name(archive_entry* entry) const {
    const char* given = ::archive_entry_pathname(entry);
    if (given == nullptr || *given == '\0') refuse("a member without a name");
    const std::string_view text(given);
    if (text.front() == '/') refuse("\"{}\", an absolute name", text);
    std::string name;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find('/', begin), text.size());
      const std::string_view part = text.substr(begin, end - begin);
      if (part == "..") refuse("\"{}\", a name that leads upward", text);
      if (!part.empty() && part != ".") name += fmt::format("{}{}", name.empty() ? "" : "/", part);
      begin = end + 1;
    }
    return name;
  }

  std::optional<fs::path> place_of(std::string_view name) {
    for (size_t i = 0; i < rules_.size(); ++i) {
      const UnpackRule& rule = rules_[i];
      const bool folder = rule.from.ends_with('/');
      if (folder ? !name.starts_with(rule.from) : name != rule.from) continue;
      used_[i] = true;
      return folder ? fs::path(rule.to) / name.substr(rule.from.size()) : fs::path(rule.to);
    }
    return std::nullopt;
  }

  void write(const std::string& name, const fs::path& place) {
    const fs::path path = staging_ / place;
    make_directories(path.parent_path());
    if (fs::exists(fs::symlink_status(path))) refuse("two members for {}", place.string());
    OutputFile file(path);
    for (;;) {
      const void* block = nullptr;
      size_t length = 0;
      la_int64_t offset = 0;
      const int result = ::archive_read_data_block(reader_.get(), &block, &length, &offset);
      if (result == ARCHIVE_EOF) return;
      if (result != ARCHIVE_OK) fail_damaged();
      if (offset < 0 || offset > limits_.bytes - done_ ||
          static_cast<int64_t>(length) > limits_.bytes - done_) {
        refuse("more than {} bytes, at {}", limits_.bytes, name);
      }
      file.write(static_cast<const char*>(block), length, offset);
      done_ += static_cast<int64_t>(length);
      if (progress_) progress_(done_);
    }
  }

  const fs::path& archive_;
  std::span<const UnpackRule> rules_;
  std::vector<bool> used_;
  const fs::path& staging_;
  const UnpackLimits& limits_;
  const std::function<void(int64_t)>& progress_;
  std::unique_ptr<archive, FreeReader> reader_;
  int64_t done_ = 0;
};

// One call for the thousands of files below `folder`.
void flush(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool good = fd >= 0 && ::syncfs(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!good) fail_errno("write", folder);
}

}  // namespace

int64_t unpack(const fs::path& archive, std::span<const UnpackRule> rules, const fs::path& folder,
               const std::function<void(int64_t)>& progress, const UnpackLimits& limits) {
  const AtomicDirectory scratch(folder / ".unpacking");  // Never committed: it only cleans up.
  const fs::path staging = scratch.temporary();
  const std::vector<fs::path> files = Unpacker(archive, rules, staging, limits, progress).run();
  flush(staging);
  for (const fs::path& file : files) {
    make_directories((folder / file).parent_path());
    std::error_code error;
    fs::rename(staging / file, folder / file, error);
    if (error) {
      fail(ErrorKind::kIo, "cannot write {}: {}", (folder / file).string(), error.message());
    }
  }
  return static_cast<int64_t>(files.size());
}

}  // namespace paraclip
