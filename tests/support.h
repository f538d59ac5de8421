#pragma once

#include "paraclip/base/error.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace paraclip::test {

/// A folder of one test's own, removed when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "paraclip-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// The folder of real data and models beside the checkout; tests that need it are skipped where it
/// is not there.
inline std::filesystem::path shared_folder() {
  return std::filesystem::path(PARACLIP_SOURCE_DIR) / ".." / "shared";
}

/// The program under test, for tests that run it as a user would.
inline std::string program() { return PARACLIP_PROGRAM; }

/// What `work` throws as an Error says, or "no error".
template <class Work>
std::string error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace paraclip::test

/// Skips the test where the real data is not at hand.
#define PARACLIP_NEEDS_SHARED(relative)                                       \
  if (!std::filesystem::exists(paraclip::test::shared_folder() / (relative))) \
  GTEST_SKIP() << "needs " << (paraclip::test::shared_folder() / (relative)).string()
