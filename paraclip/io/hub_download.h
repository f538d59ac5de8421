#pragma once

#include "paraclip/io/hub.h"
#include "paraclip/io/web_connection.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace paraclip {

/// What a repository holds at one commit.
struct HubListing {
  std::string commit;              ///< 40 hexadecimal digits.
  std::vector<std::string> files;  ///< Paths in the repository.
};

/// One file of a repository, as the hub describes it.
struct RemoteFile {
  std::string name;
  std::string url;    ///< On the hub; it may redirect to where the bytes are.
  std::string etag;   ///< Names the blob: SHA-256 of a large file, git's SHA-1 of a small one.
  int64_t size = -1;  ///< Bytes; -1 if the hub does not say.
};

/// The address of `file` on the hub at `revision`.
std::string hub_url(const HubModel& model, const HubOptions& options, const std::string& revision,
                    const std::string& file);

/// Asks the hub about one model and fetches its files.
class HubDownloader {
 public:
  /// Throws kUsage for bad options.
  HubDownloader(const HubModel& model, const HubOptions& options);

  /// The files at the model's revision. What fails for the moment is repeated if `patient`; what
  /// cannot be reached is not. Throws kNetwork; kUsage where the hub refuses; kInterrupted.
  HubListing list(bool patient);

  /// The file `name` at `commit`. Throws as list() does.
  RemoteFile describe(const std::string& commit, const std::string& name);

  /// Fetches `file` to `blob`, which appears when it is whole and its size and hash are those that
  /// the hub gave; until then it grows as `blob`.incomplete, where an earlier download is taken up.
  /// `progress` is told how many bytes are there. Throws as paraclip::download() does; kUsage where
  /// the hub refuses.
  void download(const RemoteFile& file, const std::filesystem::path& blob,
                const std::function<void(int64_t done)>& progress);

 private:
  WebReply ask(bool head, const std::string& url, bool patient);
  [[noreturn]] void refuse(const WebReply& reply, const std::string& url) const;

  HubModel model_;
  HubOptions options_;
  WebConnection connection_;
};

}  // namespace paraclip
