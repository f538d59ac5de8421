#include "paraclip/io/hub_cache.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/signals.h"
#include "paraclip/io/digest.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

std::string folder_name(std::string repository) {
  if (const size_t slash = repository.find('/'); slash != std::string::npos)
    repository.replace(slash, 1, "--");
  return "models--" + repository;
}

}  // namespace

HubCache::HubCache(fs::path cache, const std::string& repository)
    : folder_(cache / folder_name(repository)),
      locks_(cache / ".locks" / folder_name(repository)) {}

fs::path HubCache::snapshot(const std::string& commit) const {
  return folder_ / "snapshots" / commit;
}

fs::path HubCache::blob(const std::string& etag) const { return folder_ / "blobs" / etag; }

std::string HubCache::commit(const std::string& revision) const {
  const fs::path ref = folder_ / "refs" / revision;
  std::error_code ignored;
  if (!fs::is_regular_file(ref, ignored)) return revision;
  const std::string commit = read_file(ref);
  return is_digest(commit, 40) ? commit : revision;
}

void HubCache::remember(const std::string& revision, const std::string& commit) const {
  if (revision == commit || this->commit(revision) == commit) return;
  const fs::path ref = folder_ / "refs" / revision;
  try {
    make_directories(ref.parent_path());
    write_file_atomic(ref, commit);
  } catch (const Error& error) {
    log().info("{}", error.what());
  }
}

std::vector<std::string> HubCache::files(const std::string& commit) const {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(snapshot(commit), ignored)) {
    if (entry.is_regular_file(ignored)) names.push_back(entry.path().filename().string());
  }
  return names;
}

void HubCache::link(const std::string& commit, const std::string& name,
                    const std::string& etag) const {
  make_directories(snapshot(commit));
  replace_symlink(snapshot(commit) / name, fs::path("../../blobs") / etag);
}

HubCache::Lock::Lock(const HubCache& cache, const std::string& etag) {
  make_directories(cache.folder_ / "blobs");
  make_directories(cache.locks_);
  const fs::path path = cache.locks_ / (etag + ".lock");
  for (bool told = false;;) {
    // Group-writable, for a cache that several people share.
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    if (fd_ < 0) fail(ErrorKind::kIo, "cannot open {}: {}", path.string(), std::strerror(errno));
    struct stat status {};
    // Its last owner may have removed the file between opening and locking.
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd_, &status) == 0 && status.st_nlink > 0)
      return;
    ::close(fd_);
    if (stop_requested())
      fail(ErrorKind::kInterrupted, "interrupted while waiting for {}", path.string());
    if (!told) log().info("waiting for another process, which holds {}", path.string());
    told = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

HubCache::Lock::~Lock() { ::close(fd_); }

}  // namespace paraclip
