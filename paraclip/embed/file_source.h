#pragma once

#include "paraclip/embed/image_source.h"

namespace paraclip {

/// The images in `folder` at any depth (.jpg, .jpeg, .png, .webp; hidden files and folders are
/// passed over), sorted by their paths below it, which are their ids. A .txt file of the same name
/// beside an image is its caption.
///
/// Throws kIo; kData for a folder without images.
std::unique_ptr<ImageSource> open_folder_source(const std::filesystem::path& folder,
                                                int64_t shard_size);

/// The images that `list` names, in its order: a path a line, or a table of tab-separated columns
/// whose first line names them, `image` or `path`, and, if there are any, `caption` and `id`. Paths
/// are relative to the list's folder; an image's id is its path as the list has it.
///
/// Throws kIo; kData for a list without images, without a column of paths, or with an id that comes
/// twice.
std::unique_ptr<ImageSource> open_list_source(const std::filesystem::path& list,
                                              int64_t shard_size);

}  // namespace paraclip
