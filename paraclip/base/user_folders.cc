#include "paraclip/base/user_folders.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace paraclip {

std::filesystem::path home_folder() {
  const char* named = std::getenv("HOME");
  if (named != nullptr && *named != '\0') return named;
  const passwd* user = ::getpwuid(::getuid());
  return user == nullptr ? "." : user->pw_dir;
}

std::filesystem::path user_cache_folder() {
  const char* named = std::getenv("XDG_CACHE_HOME");
  if (named != nullptr && *named != '\0') return named;
  return home_folder() / ".cache";
}

}  // namespace paraclip
