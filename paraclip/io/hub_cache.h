#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// One model's part of the hub's cache, laid out as huggingface_hub has it:
///
///     models--ORG--NAME/refs/REVISION           the commit that a branch or tag is at
///     models--ORG--NAME/blobs/ETAG              the content of a file
///     models--ORG--NAME/snapshots/COMMIT/FILE   a link to ../../blobs/ETAG
///     .locks/models--ORG--NAME/ETAG.lock        held while the blob is written
class HubCache {
 public:
  HubCache(std::filesystem::path cache, const std::string& repository);

  /// The commit that `revision` was last known to be at, or else `revision` itself, which then
  /// names the folder of files put there by hand.
  std::string commit(const std::string& revision) const;

  /// Notes that `revision` is at `commit`. A cache that cannot be written to stays as it is.
  void remember(const std::string& revision, const std::string& commit) const;

  std::filesystem::path snapshot(const std::string& commit) const;
  std::filesystem::path blob(const std::string& etag) const;

  /// The names of the files that the snapshot of `commit` has; a link to nothing is none.
  std::vector<std::string> files(const std::string& commit) const;

  /// Puts the blob `etag` into the snapshot of `commit` as `name`. Throws kIo.
  void link(const std::string& commit, const std::string& name, const std::string& etag) const;

  /// Keeps other processes, huggingface_hub's too, from writing the blob `etag`. Waits for them.
  class Lock {
   public:
    /// Makes the folder of the blobs as well. Throws kIo, kInterrupted.
    Lock(const HubCache& cache, const std::string& etag);
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock();

   private:
    int fd_ = -1;
  };

 private:
  std::filesystem::path folder_;
  std::filesystem::path locks_;
};

}  // namespace paraclip
