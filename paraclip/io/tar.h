#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace paraclip {

/// A regular file in a tar archive.
struct TarMember {
  std::string name;                  ///< Its path in the archive, as bytes: UTF-8 by convention.
  std::span<const std::byte> bytes;  ///< Its content; empty if `too_large`.
  bool too_large = false;            ///< It is larger than the reader's limit and was passed over.
  /// Of an uncompressed archive: where in the file the content begins.
  std::optional<uint64_t> offset;
};

/// Reads the regular files of a tar archive in their order: ustar, GNU (long names, large sizes)
/// and PAX as POSIX.1-2017 has it, plain or compressed with gzip. Folders, links and devices are
/// passed over.
///
/// A damaged archive gives the members before the damage, then ends: problem() says why, and
/// whether that is fatal is the caller's choice.
class TarReader {
 public:
  static constexpr uint64_t kDefaultMaxMember = uint64_t{256} << 20;

  /// Opens `path`; members of more than `max_member` bytes are handed out without their content.
  /// Throws kIo; kData for a file that is not a tar archive.
  explicit TarReader(const std::filesystem::path& path, uint64_t max_member = kDefaultMaxMember);
  TarReader(TarReader&&) noexcept;
  TarReader& operator=(TarReader&&) noexcept;
  ~TarReader();

  /// Moves `member` to the next file; false at the end and where the archive is damaged. The
  /// content is valid until the next call, or as long as the reader where it has an offset.
  bool next(TarMember& member);

  /// After next() gave false: what is wrong with the archive, with its path and the last member
  /// that was whole, or an empty string if it ended well.
  const std::string& problem() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes a tar archive whose bytes are a function of its members' names and contents: plain ustar,
/// with a PAX header only before a name that ustar cannot hold; time 0, mode 0644, owner 0.
///
/// The file appears under its name only when commit() ends; destroyed before, it leaves nothing.
class TarWriter {
 public:
  /// Throws kIo.
  explicit TarWriter(std::filesystem::path path);
  TarWriter(TarWriter&&) noexcept;
  TarWriter& operator=(TarWriter&&) noexcept;
  ~TarWriter();

  /// Appends the file `name`. Throws kUsage for a name that is empty or not UTF-8; kIo.
  void add(std::string_view name, std::string_view content);

  /// Ends the archive and gives the file its name. Throws kIo.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace paraclip
