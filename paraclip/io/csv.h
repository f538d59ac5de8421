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

/// Reads comma-separated values as RFC 4180 has them: a field in quotes may hold commas, line ends
/// and quotes (doubled). The last column, where it isn't quoted, is the rest of its line, commas
/// and all, as in Flickr30k's captions. Blank lines are skipped; a UTF-8 byte order mark, LF or
/// CRLF and a missing last line end are fine.
///
///     CsvReader reader("captions.csv", {"image", "caption"});
///     for (std::vector<std::string> row; reader.next(row);) use(row[0], row[1]);
class CsvReader {
 public:
  /// Opens `path`, whose first line must name exactly `columns`. Throws kIo, kData.
  CsvReader(const std::filesystem::path& path, const std::vector<std::string>& columns);

  /// Moves `fields` to the next record; false at the end. Throws kData, naming the line.
  bool next(std::vector<std::string>& fields);

  /// The place where the record that next() gave last begins: "captions.csv, line 3".
  std::string where() const;

 private:
  std::string take_field(bool last);
  std::string take_quoted(bool last);
  void end_line();

  std::shared_ptr<const MappedFile> file_;
  std::string_view rest_;
  size_t columns_;
  int64_t line_ = 1;    // That rest_ begins in.
  int64_t record_ = 1;  // The first line of the last record.
};

}  // namespace paraclip
