#pragma once

#include "paraclip/io/unpack.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace paraclip {

/// A file, or a folder of files, that benchmarks look for.
struct DataPlace {
  std::string path;   ///< Below the folder of the data: "sugar_crepe/add_att.json".
  int64_t files = 0;  ///< Of a folder: how many files it holds when whole. 0: it is a file.
};

/// Where some places are filled from.
struct DataSource {
  /// The file that is downloaded, below the folder of the data. An archive lies there only until it
  /// is unpacked, and may be put there by hand. Empty for what must be got by hand.
  std::string path;
  std::string url;                 ///< Empty for what must be got by hand.
  int64_t size = -1;               ///< Bytes of the download; -1 if unknown.
  std::string sha256;              ///< Of the download; empty if unknown.
  std::vector<UnpackRule> unpack;  ///< Of an archive; empty for a plain file.
  std::vector<DataPlace> places;   ///< What there is afterwards.
  std::string by_hand;             ///< How to get it, where there is no address.
};

/// The data of one or more benchmarks, as `paraclip data` lists it.
struct DataSet {
  std::string name;      ///< "sugar_crepe".
  std::string title;     ///< What it is.
  std::string licence;   ///< In short.
  std::string homepage;  ///< Where the licence and the authors are.
  std::vector<DataSource> sources;
};

/// All data sets.
std::span<const DataSet> data_catalogue();

/// The data set of that name. Throws kUsage, naming those that there are.
const DataSet& find_data_set(const std::string& name);

}  // namespace paraclip
