#include "paraclip/io/tsv.h"

#include "paraclip/base/error.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace paraclip {
namespace {

void split(std::string_view text, std::vector<std::string_view>& fields) {
  fields.clear();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\t', begin), text.size());
    fields.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

}  // namespace

TsvReader::TsvReader(const std::filesystem::path& path, std::vector<std::string> required)
    : lines_(path) {
  std::string_view header;
  if (!lines_.next_filled(header)) {
    fail(ErrorKind::kData, "{} is empty; its first line must name the columns {}", path.string(),
         fmt::join(required, ", "));
  }
  split(header, row_);
  width_ = row_.size();
  for (const std::string& name : required) {
    const auto found = std::find(row_.begin(), row_.end(), name);
    if (found == row_.end()) {
      fail(
          ErrorKind::kData,
          "{}: there is no column \"{}\"; the first line must name the columns, separated by tabs, "
          "and names: {}",
          where(), name, fmt::join(row_, ", "));
    }
    if (std::find(found + 1, row_.end(), name) != row_.end()) {
      fail(ErrorKind::kData, "{}: the column \"{}\" appears twice", where(), name);
    }
    columns_.push_back(static_cast<size_t>(found - row_.begin()));
  }
}

bool TsvReader::next(std::vector<std::string_view>& fields) {
  std::string_view text;
  do {
    if (!lines_.next(text)) return false;
  } while (text.empty());
  split(text, row_);
  if (row_.size() != width_) {
    fail(ErrorKind::kData,
         "{}: found {} fields separated by tabs, expected {} as in the first line", where(),
         row_.size(), width_);
  }
  fields.clear();
  for (const size_t column : columns_) fields.push_back(row_[column]);
  return true;
}

}  // namespace paraclip
