#pragma once

#include "paraclip/io/web_connection.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace paraclip {

/// A file to be downloaded, and what is known of it.
struct Download {
  std::string url;
  int64_t size = -1;   ///< Bytes; -1 if unknown.
  std::string digest;  ///< Its SHA-256 (64 digits) or git's hash (40); other text says nothing.
  std::string source;  ///< Who says so, for messages: "the hub".
  std::filesystem::path target;   ///< Appears when it is whole, and its size and hash are right.
  std::filesystem::path partial;  ///< Until then it grows here, where an earlier one is taken up.
};

/// Hears that the server will not give a file, and throws.
using Refusal = std::function<void(const WebReply& reply)>;

/// Fetches a file; its folder must be there. `progress` is told how many bytes are there. Throws
/// kNetwork when five requests in a row brought nothing, or one that is hopeless did not; kData if
/// the content is not what it should be (it is removed); kIo; kUsage where another process is at
/// it; kInterrupted; what `refuse` throws.
void download(WebConnection& connection, const Download& file,
              const std::function<void(int64_t done)>& progress, const Refusal& refuse);

/// Fails with kData, naming `path`, unless the file there has the size and the hash of `file`.
void check_content(const Download& file, const std::filesystem::path& path);

}  // namespace paraclip
