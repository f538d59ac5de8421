#pragma once

#include "tests/support.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace paraclip::test {

/// Where the golden files called `name` are: in tests/golden, or in the folder that PARACLIP_GOLDEN
/// names, where `make parity` has made them anew.
inline std::filesystem::path golden_root(const std::string& name) {
  const char* live = std::getenv("PARACLIP_GOLDEN");
  const std::filesystem::path root =
      live != nullptr ? std::filesystem::path(live)
                      : std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests/golden";
  return root / name;
}

/// Prints a difference to a peer, and expects it to be within its tolerance.
inline void report(const std::string& kind, const std::string& what, double difference,
                   double tolerance) {
  fmt::print("{:<21} {:<46} {:>9.1e}  (tolerance {:.0e})\n", kind, what, difference, tolerance);
  EXPECT_LE(difference, tolerance) << kind << ": " << what;
}

}  // namespace paraclip::test
