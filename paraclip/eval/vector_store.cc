#include "paraclip/eval/vector_store.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/random.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace paraclip {
namespace {

constexpr std::string_view kMagic = "PCVECTOR";
constexpr size_t kHeaderBytes = kMagic.size() + sizeof(int64_t);

uint64_t checksum(std::string_view key_and_values) { return hash64(key_and_values, /*seed=*/3); }

void append(std::string& bytes, const void* data, size_t size) {
  bytes.append(static_cast<const char*>(data), size);
}

// An open file, locked for as long as this lives.
class LockedFile {
 public:
  LockedFile(const std::filesystem::path& path, bool cut)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)), path_(path) {
    if (fd_ < 0 || ::flock(fd_, LOCK_EX) != 0) fail_with("open and lock");
    if (cut && ::ftruncate(fd_, 0) != 0) fail_with("cut");
  }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  ~LockedFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  size_t size() const {
    const off_t end = ::lseek(fd_, 0, SEEK_END);
    if (end < 0) fail_with("measure");
    return static_cast<size_t>(end);
  }

  void cut_to(size_t size) const {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail_with("cut");
  }

  void append(std::string_view bytes) const {
    ::lseek(fd_, 0, SEEK_END);
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) fail_with("write");
      if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
    }
  }

 private:
  [[noreturn]] void fail_with(const char* what) const {
    fail(ErrorKind::kIo, "cannot {} {}: {}", what, path_.string(), std::strerror(errno));
  }

  int fd_;
  std::filesystem::path path_;
};

}  // namespace

VectorStore::Key VectorStore::key_of(std::string_view content) {
  return {hash64(content, /*seed=*/1), hash64(content, /*seed=*/2)};
}

VectorStore::VectorStore(int64_t width, std::filesystem::path file)
    : width_(width), file_(std::move(file)) {
  std::error_code ignored;
  if (!file_.empty() && std::filesystem::exists(file_, ignored)) replace_ = !load();
}

size_t VectorStore::record_bytes() const {
  return sizeof(Key) + static_cast<size_t>(width_) * sizeof(float) + sizeof(uint64_t);
}

// Whether the file is one of ours.
bool VectorStore::load() {
  std::shared_ptr<const MappedFile> mapped;
  try {
    mapped = MappedFile::open(file_);
  } catch (const Error& error) {
    log().warn("kept vectors are not used: {}", error.what());
    return false;
  }
  std::string_view bytes = mapped->text();
  int64_t width = 0;
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) return false;
  std::memcpy(&width, bytes.data() + kMagic.size(), sizeof width);
  if (width != width_) return false;
  bytes.remove_prefix(kHeaderBytes);
  std::vector<float> vector(static_cast<size_t>(width_));
  for (const size_t size = record_bytes(); bytes.size() >= size; bytes.remove_prefix(size)) {
    const size_t content = size - sizeof(uint64_t);
    uint64_t sum = 0;
    std::memcpy(&sum, bytes.data() + content, sizeof sum);
    if (sum != checksum(bytes.substr(0, content))) continue;
    Key key;
    std::memcpy(&key, bytes.data(), sizeof key);
    std::memcpy(vector.data(), bytes.data() + sizeof key, vector.size() * sizeof(float));
    if (!rows_.contains(key)) add(key, vector);
  }
  saved_ = keys_.size();
  return true;
}

std::optional<int64_t> VectorStore::find(const Key& key) const {
  const auto found = rows_.find(key);
  return found == rows_.end() ? std::nullopt : std::optional(found->second);
}

void VectorStore::add(const Key& key, std::span<const float> vector) {
  rows_.emplace(key, static_cast<int64_t>(keys_.size()));
  keys_.push_back(key);
  values_.insert(values_.end(), vector.begin(), vector.end());
}

at::Tensor VectorStore::rows(std::span<const int64_t> rows) const {
  at::Tensor result = at::empty({static_cast<int64_t>(rows.size()), width_}, at::kFloat);
  float* target = result.mutable_data_ptr<float>();
  for (const int64_t row : rows) {
    std::copy_n(values_.data() + row * width_, width_, target);
    target += width_;
  }
  return result;
}

void VectorStore::save() {
  if (file_.empty() || saved_ == keys_.size()) return;
  try {
    make_directories(file_.parent_path());
    const LockedFile file(file_, replace_);
    const size_t size = file.size();
    std::string bytes;
    if (size < kHeaderBytes) {
      file.cut_to(0);
      append(bytes, kMagic.data(), kMagic.size());
      append(bytes, &width_, sizeof width_);
    } else {
      file.cut_to(size - (size - kHeaderBytes) % record_bytes());  // Half a record of a crash.
    }
    for (size_t i = saved_; i < keys_.size(); ++i) {
      const size_t begin = bytes.size();
      append(bytes, &keys_[i], sizeof(Key));
      append(bytes, values_.data() + i * static_cast<size_t>(width_),
             static_cast<size_t>(width_) * sizeof(float));
      const uint64_t sum = checksum(std::string_view(bytes).substr(begin));
      append(bytes, &sum, sizeof sum);
    }
    file.append(bytes);
    saved_ = keys_.size();
    replace_ = false;
  } catch (const Error& error) {
    log().warn("vectors are not kept for the next run: {}", error.what());
  }
}

}  // namespace paraclip
