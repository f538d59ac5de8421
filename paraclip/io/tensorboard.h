#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>

namespace paraclip {

/// Writes scalars that TensorBoard shows: one fresh event file a writer,
/// `events.out.tfevents.{seconds}.{host}.{pid}.{serial}`, of TFRecords (length and data, each with
/// a masked CRC-32C) that hold `Event` messages of tensorboard/compat/proto/event.proto.
///
/// Records are only ever appended; a process that is killed loses at most those that were not
/// flushed, and TensorBoard reads all whole ones before.
class EventWriter {
 public:
  /// Makes `folder` where it is missing, and a new event file in it. Throws kIo.
  explicit EventWriter(const std::filesystem::path& folder);

  /// The event file.
  const std::filesystem::path& path() const { return path_; }

  /// Records that `tag` ("train/loss") was `value` at `step`. Throws kIo when the disk is full.
  void scalar(std::string_view tag, double value, int64_t step);

  /// Hands everything recorded so far to the operating system. Throws kIo.
  void flush();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void record(std::string_view event);
  [[noreturn]] void fail_write() const;

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace paraclip
