#pragma once

#include "paraclip/base/file.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// The lines of a mapped text file, without their line ends (LF or CRLF) and without the UTF-8 byte
/// order mark that some editors put first. The file is not loaded: one of any size takes no memory
/// that the system cannot take back.
class LineReader {
 public:
  /// Throws kIo.
  explicit LineReader(const std::filesystem::path& path);

  /// Moves `text` to the next line; false at the end. The view lives as long as the reader.
  bool next(std::string_view& text);

  /// As next(), past lines that are empty or hold only blanks.
  bool next_filled(std::string_view& text);

  /// The line that next() gave last, counted from 1; 0 before the first.
  int64_t line() const { return line_; }

  /// The place of the line that next() gave last, for messages: "captions.jsonl, line 3".
  std::string where() const;

 private:
  std::shared_ptr<const MappedFile> file_;
  std::string_view rest_;
  int64_t line_ = 0;
};

/// All lines of `path` that are not blank, for lists of ids. Throws kIo.
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace paraclip
