#pragma once

#include "paraclip/base/json.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// A Parquet file (https://parquet.apache.org/docs/file-format), as clip-retrieval, img2dataset and
/// LAION write their metadata.
class ParquetFile {
 public:
  /// Maps `path` and reads its schema. Throws kIo; kData for a file that is not Parquet.
  explicit ParquetFile(const std::filesystem::path& path);
  ParquetFile(ParquetFile&&) noexcept;
  ParquetFile& operator=(ParquetFile&&) noexcept;
  ~ParquetFile();

  /// The number of rows.
  int64_t size() const;

  /// The names of the columns, in the order of the file.
  const std::vector<std::string>& columns() const;
  bool contains(std::string_view column) const;

  /// The values of `column`, one for each row: text, numbers and booleans as such, missing and
  /// non-finite values as null, lists as arrays, anything else as its text. Throws kData if there
  /// is no such column or it is malformed.
  std::vector<Json> values(const std::string& column) const;

  /// As values(), for a column of ids or captions: text, and integers in decimal. Throws kData for
  /// a value that is missing or something else.
  std::vector<std::string> strings(const std::string& column) const;

  /// All rows, each an object with one member for each column. Throws kData.
  std::vector<Json> records() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A column to write: one value for each row, null where it has none.
struct ParquetColumn {
  std::string name;
  std::vector<Json> values;
};

/// Writes `columns` (all of one length) to `path` in one row group, compressed with Snappy as
/// pandas does. A column whose values are all booleans, integers, or numbers is stored as such; any
/// other as text, with values that are not text in JSON. The bytes are a function of the columns;
/// the file appears only when it is complete. Throws kIo.
void write_parquet(const std::filesystem::path& path, const std::vector<ParquetColumn>& columns);

}  // namespace paraclip
