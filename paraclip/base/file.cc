#include "paraclip/base/file.h"

#include "paraclip/base/error.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
  int release() { return std::exchange(fd_, -1); }

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

// Puts `fresh` in the place of `path`, so that a crash leaves one of the two there.
void swap_folders(const fs::path& fresh, const fs::path& path) {
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno != EINVAL && errno != ENOSYS) fail_errno("write", path, errno);
  // A file system that cannot exchange names (NFS).
  const fs::path old = path.string() + ".old";
  std::error_code error;
  fs::remove_all(old, error);
  if (::rename(path.c_str(), old.c_str()) != 0) fail_errno("write", path, errno);
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::rename(old.c_str(), path.c_str());
    fail_errno("write", path, code);
  }
  fs::remove_all(old, error);
}

// The offset behind the last newline before `size`.
int64_t end_of_lines(int fd, int64_t size, const fs::path& path) {
  char block[4096];
  for (int64_t end = size; end > 0;) {
    const int64_t begin = std::max<int64_t>(0, end - static_cast<int64_t>(sizeof block));
    const ssize_t count = ::pread(fd, block, static_cast<size_t>(end - begin), begin);
    if (count != end - begin) fail_errno("read", path, errno);
    const size_t newline = std::string_view(block, static_cast<size_t>(count)).rfind('\n');
    if (newline != std::string_view::npos) return begin + static_cast<int64_t>(newline) + 1;
    end = begin;
  }
  return 0;
}

fs::path without_trailing_slash(fs::path path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  // A named pipe without a writer must not block.
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
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

void MappedFile::release_pages() const {
  if (size_ > 0) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

std::string read_file(const fs::path& path) { return std::string(MappedFile::open(path)->text()); }

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path_, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    fail(ErrorKind::kIo, "cannot write {}: it is not a regular file, and would be replaced",
         path_.string());
  }
  for (int serial = 0; fd_ < 0; ++serial) {
    temporary_ = fmt::format("{}.tmp{}-{}", path_.string(), ::getpid(), serial);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST) fail_errno("create", path_, errno);
  }
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(std::string_view data) {
  if (buffer_.size() + data.size() < kBufferSize) {
    buffer_.append(data);
    return;
  }
  flush();
  if (const int error = write_all(fd_, data.data(), data.size())) fail_errno("write", path_, error);
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

void AtomicDirectory::commit(Flush flush) {
  if (flush == Flush::kFileSystem) {
    const Descriptor folder(::open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || ::syncfs(folder.get()) != 0) fail_errno("write", temporary_, errno);
  } else {
    for (const auto& entry : fs::recursive_directory_iterator(temporary_)) {
      if (entry.is_regular_file()) sync_path(entry.path(), O_RDONLY);
      if (entry.is_directory()) sync_path(entry.path(), O_RDONLY | O_DIRECTORY);
    }
    sync_path(temporary_, O_RDONLY | O_DIRECTORY);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) fail_errno("write", path_, errno);
    swap_folders(temporary_, path_);
  }
  committed_ = true;
  sync_parent(path_);
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
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
  Descriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.get() < 0) fail_errno("open", path_, errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) fail_errno("lock", path_, errno);
    fail(ErrorKind::kUsage,
         "{} is in use by another run; wait for it to end or choose another output",
         path_.string());
  }
  // A crash may have cut the last line: keep whole lines only.
  const int64_t size = ::lseek(file.get(), 0, SEEK_END);
  size_ = end_of_lines(file.get(), size, path_);
  if (size_ != size && ::ftruncate(file.get(), size_) != 0) fail_errno("repair", path_, errno);
  sync_parent(path_);
  fd_ = file.release();
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
