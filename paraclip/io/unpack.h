#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace paraclip {

/// Which members of an archive are wanted, and where they go.
struct UnpackRule {
  std::string from;  ///< A member's name, or the beginning of names, ending with "/".
  std::string to;    ///< The file, or the folder for what follows that beginning.
};

/// What an archive may hold at most.
struct UnpackLimits {
  int64_t bytes = int64_t{4} << 30;  ///< Of the wanted members, unpacked.
  int64_t members = 200'000;
};

/// Unpacks the wanted members of `archive` (zip, or tar, plain or compressed) into `folder`; the
/// first rule that fits counts, other members are passed over. Files appear one by one, but only
/// after the whole archive has been read without a fault: until then they lie in
/// `folder`/.unpacking.tmp, which is removed in any case. Files of the same name are replaced,
/// others left alone. `progress`, unless empty, is told the bytes unpacked. Returns the number of
/// files.
///
/// Throws kData, having written nothing, for an archive that is damaged, holds a member with an
/// absolute name or a name that leads upward, a link or a device, or two members for one file,
/// exceeds the limits, or has nothing for a rule; kIo; kInterrupted.
int64_t unpack(const std::filesystem::path& archive, std::span<const UnpackRule> rules,
               const std::filesystem::path& folder,
               const std::function<void(int64_t done)>& progress, const UnpackLimits& limits = {});

}  // namespace paraclip
