#include "fuzz/input_file.h"
#include "paraclip/base/error.h"
#include "paraclip/io/unpack.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace fs = std::filesystem;

// Any bytes are an archive that is unpacked into its folder, or an Error; nothing appears beside
// that folder, and nothing is left of what failed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fs::path kOuter = [] {
    std::string name = (fs::temp_directory_path() / "paraclip-fuzz-XXXXXX").string();
    return fs::path(::mkdtemp(name.data()));
  }();
  const paraclip::fuzz::InputFile input(data, size);
  const fs::path folder = kOuter / "folder";
  fs::create_directory(folder);
  const std::array<paraclip::UnpackRule, 1> rules = {{{"a/", "b"}}};
  bool failed = false;
  try {
    paraclip::unpack(input.path(), rules, folder, {}, {.bytes = 1 << 20, .members = 100});
  } catch (const paraclip::Error&) {
    failed = true;
  }
  size_t beside = 0;
  for (const auto& entry : fs::directory_iterator(kOuter)) beside += entry.exists() ? 1 : 0;
  if (beside != 1 || (failed && !fs::is_empty(folder))) std::abort();
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return 0;
}
