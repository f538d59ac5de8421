#pragma once

#include <filesystem>

namespace paraclip {

/// The user's home: HOME, else the one that the system knows, else the current folder.
std::filesystem::path home_folder();

/// Where programs keep what they can make again: XDG_CACHE_HOME, else ~/.cache
/// (https://specifications.freedesktop.org/basedir-spec/latest).
std::filesystem::path user_cache_folder();

}  // namespace paraclip
