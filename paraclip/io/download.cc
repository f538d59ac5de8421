#include "paraclip/io/download.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/io/digest.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 5;

[[noreturn]] void fail_errno(const char* doing, const fs::path& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  fail(ErrorKind::kIo, "cannot {} {}: {}{}", doing, path.string(), std::strerror(error),
       full ? "; free some space and run again: what has been downloaded is kept" : "");
}

// The part of a download that is there, on the disk.
class PartialFile {
 public:
  explicit PartialFile(fs::path path) : path_(std::move(path)) {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct stat status {};
    if (fd_ < 0 || ::fstat(fd_, &status) != 0) fail_errno("open", path_, errno);
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd_);
      fail(ErrorKind::kUsage, "another process is downloading {}; wait until it has ended",
           path_.string());
    }
    size_ = status.st_size;
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  const fs::path& path() const { return path_; }
  int64_t size() const { return size_; }

  void append(std::string_view data) {
    while (!data.empty()) {
      const ssize_t written = ::pwrite(fd_, data.data(), data.size(), size_);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_errno("write", path_, errno);
      data.remove_prefix(static_cast<size_t>(written));
      size_ += written;
    }
  }

  void clear() {
    if (::ftruncate(fd_, 0) != 0) fail_errno("write", path_, errno);
    size_ = 0;
  }

  void sync() {
    if (::fsync(fd_) != 0) fail_errno("write", path_, errno);
  }

 private:
  fs::path path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

// Takes a body where it belongs: behind what is there (206), or in place of it (200).
class BodyWriter {
 public:
  BodyWriter(const Download& file, PartialFile& partial,
             const std::function<void(int64_t)>& progress)
      : file_(file), partial_(partial), progress_(progress) {}

  void operator()(const WebReply& reply, std::string_view data) {
    if (!begun_ && reply.status == 200 && partial_.size() > 0) partial_.clear();
    if (!begun_ && reply.status == 206 && reply.range_begin() != partial_.size()) {
      fail(ErrorKind::kNetwork, "cannot go on with {}: asked for byte {} on, got \"{}\"", file_.url,
           partial_.size(), printable(reply.header("content-range")));
    }
    begun_ = true;
    const auto bytes = static_cast<int64_t>(data.size());
    if (file_.size >= 0 && bytes > file_.size - partial_.size()) {
      partial_.clear();
      fail(ErrorKind::kData, "{} is longer than the {} bytes that {} gives for it; run again",
           file_.url, file_.size, file_.source);
    }
    partial_.append(data);
    progress_(partial_.size());
  }

 private:
  const Download& file_;
  PartialFile& partial_;
  const std::function<void(int64_t)>& progress_;
  bool begun_ = false;
};

// What is wrong with the content of `path`; empty if nothing that can be told. Digests of other
// forms say nothing of the content (some mirrors of the hub have them).
std::string mistake(const Download& file, const fs::path& path) {
  const auto content = MappedFile::open(path);
  const auto size = static_cast<int64_t>(content->text().size());
  if (file.size >= 0 && size != file.size) {
    return fmt::format("it has {} bytes, expected {}", size, file.size);
  }
  std::string found;
  if (is_digest(file.digest, 64)) found = sha256_hex(content->text());
  if (is_digest(file.digest, 40)) found = git_blob_hash(content->text());
  if (found.empty() || found == file.digest) return "";
  return fmt::format("its hash is {}, expected {}", found, file.digest);
}

// Appends to `partial` what it lacks.
void fill(WebConnection& connection, const Download& file, PartialFile& partial,
          const std::function<void(int64_t)>& progress, const Refusal& refuse) {
  const int64_t begun = partial.size();
  int64_t furthest = begun;
  for (int failures = 0; partial.size() != file.size;) {
    const int64_t before = partial.size();
    BodyWriter writer(file, partial, progress);
    WebReply reply = connection.get(file.url, before, std::ref(writer));
    const bool good = reply.status == 200 || reply.status == 206;
    // A body without its length ends early unnoticed.
    if (good && partial.size() < file.size) reply.error = "the connection ended early";
    if (reply.status == 416 && before > 0) {
      partial.clear();
    } else if (reply.error.empty() && !good && !reply.temporary()) {
      refuse(reply);
    }
    if (good && reply.error.empty()) return;
    // Nothing has come yet and nobody is there: waiting would only keep the user from knowing.
    if (reply.unreachable && partial.size() == begun) {
      fail(ErrorKind::kNetwork, "cannot get {}: {}", file.url, reply.reason());
    }
    failures = partial.size() > furthest ? 1 : failures + 1;
    furthest = std::max(furthest, partial.size());
    if (failures == kAttempts) {
      fail(ErrorKind::kNetwork,
           "the download of {} broke off at {} of {} bytes: {}; run again to "
           "go on from there",
           file.url, partial.size(), file.size < 0 ? "unknown" : std::to_string(file.size),
           reply.reason());
    }
    connection.wait(failures, reply);
  }
}

}  // namespace

void check_content(const Download& file, const fs::path& path) {
  const std::string what = mistake(file, path);
  if (what.empty()) return;
  fail(ErrorKind::kData, "{} does not have the content that {} gives for {}: {}", path.string(),
       file.source, file.url, what);
}

void download(WebConnection& connection, const Download& file,
              const std::function<void(int64_t)>& progress, const Refusal& refuse) {
  PartialFile partial(file.partial);
  if (file.size >= 0 && partial.size() > file.size) partial.clear();
  progress(partial.size());
  fill(connection, file, partial, progress, refuse);
  partial.sync();
  if (const std::string what = mistake(file, partial.path()); !what.empty()) {
    std::error_code ignored;
    fs::remove(partial.path(), ignored);
    fail(
        ErrorKind::kData,
        "{} does not have the content that {} gives for it: {}; it was removed, run again to fetch "
        "it anew",
        file.url, file.source, what);
  }
  std::error_code error;
  fs::rename(partial.path(), file.target, error);
  if (error) fail_errno("write", file.target, error.value());
}

}  // namespace paraclip
