#pragma once

#include "paraclip/io/lines.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// Reads a table of tab-separated columns whose first row names them. Fields are raw text: there is
/// no quoting and no escaping, so a field can hold quotes but neither tab nor newline. Empty lines
/// are skipped; a UTF-8 byte order mark, CRLF line ends and a missing last newline are fine.
///
///     TsvReader reader("captions.tsv", {"image_id", "caption"});
///     for (std::vector<std::string_view> row; reader.next(row);) use(row[0], row[1]);
class TsvReader {
 public:
  /// Opens `path` and finds the columns `required` in its header; other columns are ignored. Throws
  /// kIo; kData if the file is empty, a column is missing or a required name appears twice.
  TsvReader(const std::filesystem::path& path, std::vector<std::string> required);

  /// Reads the next row: its fields in the order of the required columns, as views that live as
  /// long as the reader. False at the end. Throws kData, naming the line, if the row has not as
  /// many fields as the header.
  bool next(std::vector<std::string_view>& fields);

  /// The line of the row that next() gave last, counted from 1 (the header's).
  int64_t line() const { return lines_.line(); }

  /// The place of the row that next() gave last, for messages: "captions.tsv, line 3".
  std::string where() const { return lines_.where(); }

 private:
  LineReader lines_;
  std::vector<size_t> columns_;  // Of each required name, its position in the file.
  std::vector<std::string_view> row_;
  size_t width_ = 0;
};

}  // namespace paraclip
