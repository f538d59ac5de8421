#pragma once

#include "paraclip/embed/image_source.h"

namespace paraclip {

/// WebDataset tars, each a shard: a sample is a run of members whose names are equal up to the
/// first dot of the base name (webdataset/tariterators.py, group_by_keys); like open_clip, a suffix
/// that comes twice begins a new sample. Beside the image, a sample has its caption (`text_key`)
/// and metadata (`json`). A Parquet file beside the tar (img2dataset's, a row for every URL) adds
/// the row whose `key` is the sample's.
///
/// Throws kIo for a tar that is missing; kData for none.
std::unique_ptr<ImageSource> open_tar_source(std::vector<std::filesystem::path> tars,
                                             const ImageSourceOptions& options);

/// The name of a member of a sample, taken apart.
struct MemberName {
  std::string key;     ///< Up to the first dot of the base name.
  std::string suffix;  ///< Behind it, in lower case.
};

/// Takes `name` apart, or gives nothing for members that belong to no sample: those without a
/// suffix, hidden files, and WebDataset's own (`__name__`).
std::optional<MemberName> parse_member_name(std::string_view name);

/// Adds the members of `object` to `fields`, names of nested ones joined by "_" as clip-retrieval
/// does; arrays become text.
void flatten_json(const Json& object, Json& fields, const std::string& prefix = "");

}  // namespace paraclip
