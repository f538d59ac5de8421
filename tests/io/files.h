#pragma once

#include "tests/base/expect_error.h"
#include "tests/support.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace paraclip::test {

inline void put(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A file that the reference implementation of its format wrote (scripts/make_io_golden.py).
inline std::filesystem::path io_golden(const std::string& name) {
  return std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests/golden/io" / name;
}

/// 0, 1/2, 1, ... in `shape`, as the golden files hold them.
inline at::Tensor counting(at::IntArrayRef shape, at::ScalarType type) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return (at::arange(count, at::kFloat) / 2).to(type).reshape(shape);
}

/// Expects equal type, shape and elements.
inline void expect_same(const at::Tensor& actual, const at::Tensor& expected) {
  EXPECT_EQ(actual.scalar_type(), expected.scalar_type());
  EXPECT_EQ(actual.sizes(), expected.sizes());
  EXPECT_TRUE(at::equal(actual, expected)) << actual << "\nexpected\n" << expected;
}

}  // namespace paraclip::test
