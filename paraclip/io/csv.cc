#include "paraclip/io/csv.h"

#include "paraclip/base/error.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace paraclip {

CsvReader::CsvReader(const std::filesystem::path& path, const std::vector<std::string>& columns)
    : file_(MappedFile::open(path)), rest_(file_->text()), columns_(columns.size()) {
  if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  std::vector<std::string> names;
  if (!next(names) || names != columns) {
    fail(ErrorKind::kData, "{}: found \"{}\", expected a first line that names the columns: {}",
         where(), fmt::join(names, ","), fmt::join(columns, ","));
  }
}

std::string CsvReader::where() const {
  return fmt::format("{}, line {}", file_->path().string(), record_);
}

void CsvReader::end_line() {
  if (rest_.starts_with('\r')) rest_.remove_prefix(1);
  if (rest_.starts_with('\n')) rest_.remove_prefix(1);
  ++line_;
}

bool CsvReader::next(std::vector<std::string>& fields) {
  fields.clear();
  while (rest_.starts_with('\n') || rest_.starts_with("\r\n")) end_line();
  record_ = line_;
  if (rest_.empty()) return false;
  while (fields.size() < columns_) {
    const bool last = fields.size() + 1 == columns_;
    fields.push_back(rest_.starts_with('"') ? take_quoted(last) : take_field(last));
  }
  end_line();
  return true;
}

std::string CsvReader::take_field(bool last) {
  const size_t newline = std::min(rest_.find('\n'), rest_.size());
  const size_t end = last ? newline : rest_.find(',');
  if (!last && end >= newline) {
    fail(ErrorKind::kData, "{}: found too few fields separated by commas, expected {}", where(),
         columns_);
  }
  std::string_view text = rest_.substr(0, end);
  if (last && text.ends_with('\r')) text.remove_suffix(1);
  rest_.remove_prefix(last ? text.size() : end + 1);
  return std::string(text);
}

std::string CsvReader::take_quoted(bool last) {
  rest_.remove_prefix(1);
  std::string text;
  for (;;) {
    const size_t quote = rest_.find('"');
    if (quote == std::string_view::npos) {
      fail(ErrorKind::kData, "{}: a field that begins with a quote is not closed by one", where());
    }
    text += rest_.substr(0, quote);
    rest_.remove_prefix(quote + 1);
    if (!rest_.starts_with('"')) break;
    text += '"';
    rest_.remove_prefix(1);
  }
  line_ += std::count(text.begin(), text.end(), '\n');
  const bool ends = rest_.empty() || rest_.starts_with('\n') || rest_.starts_with("\r\n");
  if (last ? !ends : !rest_.starts_with(',')) {
    fail(ErrorKind::kData, "{}: found \"{}\" behind the closing quote of a field, expected {}",
         where(), rest_.substr(0, 20), last ? "the end of the line" : "a comma");
  }
  if (!last) rest_.remove_prefix(1);
  return text;
}

}  // namespace paraclip
