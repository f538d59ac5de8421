#pragma once

#include "paraclip/base/json.h"
#include "paraclip/io/lines.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace paraclip {

/// Reads a JSONL file: one JSON value a line. Blank lines are skipped; a UTF-8 byte order mark,
/// CRLF line ends and a missing last newline are fine.
///
///     JsonlReader reader("captions.jsonl");
///     for (Json value; reader.next(value);) use(json_string(value, "caption", reader.where()));
class JsonlReader {
 public:
  /// Throws kIo.
  explicit JsonlReader(const std::filesystem::path& path) : lines_(path) {}

  /// Parses the next value into `value`; false at the end. Throws kData, naming file and line, if a
  /// line is not valid JSON; the reader then stands behind it.
  bool next(Json& value);

  /// The line of the value that next() gave last, counted from 1.
  int64_t line() const { return lines_.line(); }

  /// The place of the value that next() gave last, for messages: "captions.jsonl, line 3".
  std::string where() const { return lines_.where(); }

 private:
  LineReader lines_;
};

}  // namespace paraclip
