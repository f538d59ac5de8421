#include "paraclip/io/lines.h"

#include <fmt/format.h>

namespace paraclip {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

LineReader::LineReader(const std::filesystem::path& path)
    : file_(MappedFile::open(path)), rest_(file_->text()) {
  if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
}

bool LineReader::next(std::string_view& text) {
  if (rest_.empty()) return false;
  const size_t newline = rest_.find('\n');
  text = rest_.substr(0, newline);
  rest_.remove_prefix(newline == std::string_view::npos ? rest_.size() : newline + 1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  ++line_;
  return true;
}

bool LineReader::next_filled(std::string_view& text) {
  while (next(text)) {
    if (!is_blank(text)) return true;
  }
  return false;
}

std::string LineReader::where() const {
  return fmt::format("{}, line {}", file_->path().string(), line_);
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  LineReader reader(path);
  std::vector<std::string> lines;
  for (std::string_view text; reader.next_filled(text);) lines.emplace_back(text);
  return lines;
}

}  // namespace paraclip
