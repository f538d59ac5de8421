#pragma once

#include "paraclip/base/progress.h"
#include "paraclip/eval/data_catalogue.h"
#include "paraclip/io/web_connection.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// What `place` lacks in `folder`: empty if nothing, or "missing", "4,990 of 5,000 files".
std::string lack_of(const DataPlace& place, const std::filesystem::path& folder);

/// The first that `source` has yet to bring to `folder`: a path, and behind it what is there, or
/// that its size is not the catalogue's. Empty if nothing. Contents are not read.
std::string lack_of(const DataSource& source, const std::filesystem::path& folder);

/// Which file to put where: a line for its place in `folder`, and lines with its address, size and
/// hash, or with what to do by hand.
std::string instructions(const DataSource& source, const std::filesystem::path& folder);

/// How data is fetched.
struct FetchOptions {
  std::filesystem::path folder;  ///< Of the data.
  std::string mirror;  ///< Address that has the files under their paths; empty: their own homes.
  WebOptions web;

  /// Throws kUsage.
  void validate() const;
};

/// What a fetch did.
struct FetchReport {
  int64_t downloads = 0;             ///< Files that were downloaded.
  int64_t bytes = 0;                 ///< Of these.
  std::vector<std::string> by_hand;  ///< Instructions for what is missing and cannot be fetched.
};

/// Brings what `folder` lacks of `set`, in the layout that the benchmarks look in: downloads,
/// checks size and SHA-256 where they are known, unpacks. What is there and right is left alone; a
/// download that ended early goes on where it did. Files appear when they are whole.
///
/// Throws kNetwork, naming for every missing file the place to put it, its address, size and hash,
/// where one cannot be had; kData for content that is not the catalogue's, or an archive that is
/// damaged or hostile; kUsage for bad options; kIo; kInterrupted.
FetchReport fetch_data(const DataSet& set, const FetchOptions& options,
                       const ProgressCallback& progress);

}  // namespace paraclip
