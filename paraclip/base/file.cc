#include "paraclip/base/file.h"

#include "paraclip/base/error.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferSize = size_t{1} << 20;

[[noreturn]] void fail_errno(std::string_view doing, const fs::path& path, int error) {
  const char* advice = error == ENOSPC || error == EDQUOT ? "; free some space and run again"
                       : error == EACCES || error == EROFS
                           ? "; check the permissions of the file and its folder"
                           : "";
  fail(ErrorKind::kIo, "cannot {} {}: {}{}", doing, path.string(), std::strerror(error), advice);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Returns 0 or the errno of the failed write.
int write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    data += written;
    size -= static_cast<size_t>(written);
  }
  return 0;
}

void sync_path(const fs::path& path, int flags) {
  const Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC));
  if (descriptor.get() < 0 || ::fsync(descriptor.get()) != 0)
    fail_errno("write to disk", path, errno);
}

void sync_parent(const fs::path& path) {
  const fs::path parent = path.parent_path();
  sync_path(parent.empty() ? fs::path(".") : parent, O_RDONLY | O_DIRECTORY);
}

fs::path without_trailing_slash(fs::path path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) fail_errno("open", path, errno);
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) fail_errno("open", path, errno);
  if (!S_ISREG(status.st_mode)) {
    fail(ErrorKind::kIo, "cannot read {}: it is not a regular file", path.string());
  }
  const auto size = static_cast<size_t>(status.st_size);
  const std::byte* data = nullptr;
  if (size > 0) {
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
    if (address == MAP_FAILED) fail_errno("map", path, errno);
    data = static_cast<const std::byte*>(address);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

MappedFile::~MappedFile() {
  if (size_ > 0) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::string read_file(const fs::path& path) { return std::string(MappedFile::open(path)->text()); }

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  temporary_ = path_.string() + ".tmpXXXXXX";
  std::string pattern = temporary_.string();
  fd_ = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (fd_ < 0) fail_errno("create", path_, errno);
  temporary_ = pattern;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd_, 0666 & ~mask);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(std::string_view data) {
  buffer_.append(data);
  if (buffer_.size() >= kBufferSize) flush();
}

void AtomicFile::write(std::span<const std::byte> data) {
  write(std::string_view(reinterpret_cast<const char*>(data.data()), data.size()));
}

void AtomicFile::flush() {
  if (const int error = write_all(fd_, buffer_.data(), buffer_.size()))
    fail_errno("write", path_, error);
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (::fsync(fd_) != 0) fail_errno("write", path_, errno);
  const int closed = ::close(std::exchange(fd_, -1));
  if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail_errno("write", path_, error);
  }
  sync_parent(path_);
}

void write_file_atomic(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

AtomicDirectory::AtomicDirectory(fs::path path)
    : path_(without_trailing_slash(std::move(path))), temporary_(path_.string() + ".tmp") {
  std::error_code error;
  fs::remove_all(temporary_, error);
  if (!error) fs::create_directories(temporary_, error);
  if (error) fail_errno("create", temporary_, error.value());
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void AtomicDirectory::commit() {
  for (const auto& entry : fs::recursive_directory_iterator(temporary_)) {
    if (entry.is_regular_file()) sync_path(entry.path(), O_RDONLY);
    if (entry.is_directory()) sync_path(entry.path(), O_RDONLY | O_DIRECTORY);
  }
  sync_path(temporary_, O_RDONLY | O_DIRECTORY);
  std::error_code error;
  const fs::path old = path_.string() + ".old";
  fs::remove_all(old, error);
  if (fs::exists(path_)) fs::rename(path_, old, error);
  if (!error) fs::rename(temporary_, path_, error);
  if (error) {
    const int code = error.value();
    std::error_code ignored;
    if (!fs::exists(path_) && fs::exists(old)) fs::rename(old, path_, ignored);
    fail_errno("write", path_, code);
  }
  committed_ = true;
  sync_parent(path_);
  fs::remove_all(old, error);
}

void replace_symlink(const fs::path& link, const fs::path& target) {
  const fs::path temporary = link.string() + ".tmp";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_directory_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) fail_errno("write", link, error.value());
  sync_parent(link);
}

AppendFile::AppendFile(fs::path path) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_errno("open", path_, errno);
  const Descriptor guard(fd_);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    fail(ErrorKind::kUsage,
         "{} is in use by another run; wait for it to end or choose another output",
         path_.string());
  }
  // A crash may have cut the last line: keep whole lines only.
  int64_t size = ::lseek(fd_, 0, SEEK_END);
  int64_t whole = size;
  char block[4096];
  while (whole > 0) {
    const int64_t begin = std::max<int64_t>(0, whole - static_cast<int64_t>(sizeof block));
    const ssize_t count = ::pread(fd_, block, static_cast<size_t>(whole - begin), begin);
    if (count != whole - begin) fail_errno("read", path_, errno);
    const std::string_view text(block, static_cast<size_t>(count));
    const size_t newline = text.rfind('\n');
    whole = newline == std::string_view::npos ? begin : begin + static_cast<int64_t>(newline) + 1;
    if (newline != std::string_view::npos) break;
  }
  if (whole != size && ::ftruncate(fd_, whole) != 0) fail_errno("repair", path_, errno);
  size_ = whole;
  fd_ = ::dup(fd_);  // the guard closes the first one on every path
  if (fd_ < 0) fail_errno("open", path_, errno);
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

void AppendFile::append(std::string_view line) {
  std::string record(line);
  record.push_back('\n');
  ::lseek(fd_, size_, SEEK_SET);
  int error = write_all(fd_, record.data(), record.size());
  if (error == 0 && ::fdatasync(fd_) != 0) error = errno;
  if (error != 0) {
    if (::ftruncate(fd_, size_) != 0) { /* the next start cuts it */
    }
    fail_errno("write", path_, error);
  }
  size_ += static_cast<int64_t>(record.size());
}

void make_directories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail_errno("create", path, error.value());
}

}  // namespace paraclip
