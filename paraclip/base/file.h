#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace paraclip {

/// A file mapped read-only into memory. Shared by everything that views its bytes. It may be
/// replaced under its name meanwhile, but must not be cut shorter in place: reading what is gone
/// kills the process.
class MappedFile {
 public:
  /// Maps `path`. Throws kIo if it is missing, unreadable or not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Lets go of the pages that were read, which count as this process's memory; what is read again
  /// comes from the system's cache.
  void release_pages() const;
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
};

/// The whole of `path` as a string. Throws kIo.
std::string read_file(const std::filesystem::path& path);

/// Writes a file that appears under its name only when it is complete: a temporary file beside it,
/// fsync, rename.
///
/// Destroyed without commit(), it removes the temporary file and leaves what stood at `path`
/// untouched.
class AtomicFile {
 public:
  /// Creates the temporary file. Throws kIo.
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Appends `data`. Throws kIo, naming the final path, when the disk is full or the write fails.
  void write(std::string_view data);
  void write(std::span<const std::byte> data);

  /// Flushes to the disk and renames to the final path. Throws kIo.
  void commit();

 private:
  void flush();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::string buffer_;
  int fd_ = -1;
};

/// Replaces `path` by `content` atomically. Throws kIo.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

/// How a folder is made durable.
enum class Flush {
  kFiles,       ///< fsync of each file, in turn.
  kFileSystem,  ///< One syncfs: far quicker for thousands of files, but waits for others' too.
};

/// Builds a folder under a temporary name; commit() fsyncs its files and renames it to the final
/// name.
///
/// Destroyed without commit(), it removes the temporary folder.
class AtomicDirectory {
 public:
  /// Creates `path`.tmp beside `path`, clearing what an earlier crash left there. Throws kIo.
  explicit AtomicDirectory(std::filesystem::path path);
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;
  ~AtomicDirectory();

  /// Where to write files until commit().
  const std::filesystem::path& temporary() const { return temporary_; }

  /// Makes the folder durable and gives it its name, in place of an earlier folder of that name.
  /// Throws kIo.
  void commit(Flush flush = Flush::kFiles);

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

/// Points the symbolic link `link` at `target` (relative to the link's folder) in one step. Throws
/// kIo.
void replace_symlink(const std::filesystem::path& link, const std::filesystem::path& target);

/// An append-only file of lines, each durable before append() returns.
class AppendFile {
 public:
  /// Opens or creates `path` and takes an exclusive lock, so that two runs cannot share it. An
  /// unfinished last line (a crash in the middle of a write) is cut off. Throws kIo; kUsage if
  /// another process holds the lock.
  explicit AppendFile(std::filesystem::path path);
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  ~AppendFile();

  /// Writes `line` and a newline, then fsyncs. On failure the file is cut back to its last whole
  /// line. Throws kIo.
  void append(std::string_view line);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

/// Makes a folder and its parents. Throws kIo.
void make_directories(const std::filesystem::path& path);

}  // namespace paraclip
