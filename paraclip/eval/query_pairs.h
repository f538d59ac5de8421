#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// Two queries that mean the same.
struct QueryPair {
  std::string query;
  std::string paraphrase;
  int64_t group = 0;   ///< The unit of resampling, numbered from 0 in the order of appearance.
  int64_t image = -1;  ///< Row of the pool: the image they are about, where that is known.
};

/// The pairs of a file.
struct QueryPairFile {
  std::string form;  ///< "pairs", or "query log".
  std::vector<QueryPair> pairs;
  int64_t groups = 0;       ///< Groups with at least one pair.
  int64_t lone_groups = 0;  ///< Groups of a query log with one distinct query: they say nothing.
};

/// Reads a TSV with the columns query, paraphrase, each row a group of its own; or a query log: a
/// TSV with the columns group, query, in which every two distinct queries of a group are a pair.
///
/// Throws kIo; kData for malformed files, blank queries, files without pairs, and logs with more
/// than ten million pairs (the groups are too large to compare all queries of each).
QueryPairFile read_query_pairs(const std::filesystem::path& path);

}  // namespace paraclip
