#pragma once

#include "paraclip/base/file.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace paraclip {

/// Where a member of a zip archive lies in its file.
struct ZipMember {
  uint64_t begin = 0;   ///< First byte of its data.
  uint64_t size = 0;    ///< Bytes there; checked to be inside the file.
  bool stored = false;  ///< Those bytes are the member: neither compressed nor encrypted.
};

/// The directory of a zip archive (zip64 included) that is mapped into memory. Nothing is ever
/// unpacked: what is stored can be read where it lies.
class ZipArchive {
 public:
  using Members = std::map<std::string, ZipMember, std::less<>>;

  /// Reads the directory. Throws kData if it is malformed, names something twice, has members that
  /// lie beyond the file or share bytes, or is absurdly long.
  explicit ZipArchive(std::shared_ptr<const MappedFile> file);

  /// Every member by its name.
  const Members& members() const { return members_; }

  /// The bytes of `name`. Throws kData if there is no such member or it is not stored as it is.
  std::string_view stored(std::string_view name) const;

 private:
  std::shared_ptr<const MappedFile> file_;
  Members members_;
};

}  // namespace paraclip
