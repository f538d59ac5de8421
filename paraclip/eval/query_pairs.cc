#include "paraclip/eval/query_pairs.h"

#include "paraclip/base/error.h"
#include "paraclip/eval/caption_files.h"
#include "paraclip/eval/numbering.h"
#include "paraclip/io/tsv.h"

#include <algorithm>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxPairs = 10'000'000;

// Whether the first line of `path` names the column `name`.
bool has_column(const fs::path& path, std::string_view name) {
  LineReader lines(path);
  std::string_view header;
  lines.next_filled(header);
  for (size_t begin = 0; begin <= header.size();) {
    const size_t end = std::min(header.find('\t', begin), header.size());
    if (header.substr(begin, end - begin) == name) return true;
    begin = end + 1;
  }
  return false;
}

QueryPairFile read_pairs(const fs::path& path) {
  QueryPairFile file{.form = "pairs", .pairs = {}};
  TsvReader reader(path, {"query", "paraphrase"});
  for (std::vector<std::string_view> row; reader.next(row);) {
    const std::string where = reader.where();
    file.pairs.push_back({.query = filled(row[0], "column query", where),
                          .paraphrase = filled(row[1], "column paraphrase", where),
                          .group = file.groups++});
  }
  return file;
}

QueryPairFile read_log(const fs::path& path) {
  Numbering groups;
  std::vector<Numbering> queries;  // The distinct ones of each group.
  TsvReader reader(path, {"group", "query"});
  for (std::vector<std::string_view> row; reader.next(row);) {
    const std::string where = reader.where();
    const auto group = static_cast<size_t>(groups.number(filled(row[0], "column group", where)));
    if (group == queries.size()) queries.emplace_back();
    queries[group].number(filled(row[1], "column query", where));
  }
  QueryPairFile file{.form = "query log", .pairs = {}};
  for (const Numbering& group : queries) {
    const std::vector<std::string>& texts = group.keys();
    if (texts.size() < 2) {
      ++file.lone_groups;
      continue;
    }
    if (texts.size() > kMaxPairs ||
        file.pairs.size() + texts.size() * (texts.size() - 1) / 2 > kMaxPairs) {
      fail(ErrorKind::kData,
           "{}: its groups have more than {} pairs of queries, too many to compare; expected small "
           "groups of queries that mean the same",
           path.string(), kMaxPairs);
    }
    for (size_t i = 0; i < texts.size(); ++i) {
      for (size_t j = i + 1; j < texts.size(); ++j)
        file.pairs.push_back({.query = texts[i], .paraphrase = texts[j], .group = file.groups});
    }
    ++file.groups;
  }
  return file;
}

}  // namespace

QueryPairFile read_query_pairs(const fs::path& path) {
  const bool log = has_column(path, "group") && !has_column(path, "paraphrase");
  QueryPairFile file = log ? read_log(path) : read_pairs(path);
  if (file.pairs.empty()) {
    fail(ErrorKind::kData, "{} holds no pairs of queries{}", path.string(),
         log ? "; expected groups of at least two different queries" : "");
  }
  return file;
}

}  // namespace paraclip
