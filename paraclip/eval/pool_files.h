#pragma once

#include "paraclip/eval/caption_files.h"
#include "paraclip/eval/numbering.h"
#include "paraclip/eval/pool_benchmark.h"

#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// The images that `file` has captions of, in the order of their first captions.
Numbering images_of(const CaptionFile& file);

/// Adds the captions of `file` to `task`, whose images are those of `pool`; captions of others are
/// left out and counted. Throws kData, naming `path`, if none is left.
void add_captions(const CaptionFile& file, const Numbering& pool, const std::filesystem::path& path,
                  PoolTask& task);

/// Whether all of `files` are there; adds a Lack of "all metrics" to `loaded` for those that are
/// not, with `remedy`.
bool have_files(const std::vector<std::filesystem::path>& files, const std::string& remedy,
                LoadedBenchmark& loaded);

}  // namespace paraclip
