// libtorch's generator starts from a seed of the system's: a test that draws from it would see
// other numbers in every run. Linked into every test program that has libtorch.

#include <ATen/Context.h>
#include <gtest/gtest.h>

namespace {

class SeedEachTest : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& /*test*/) override { at::manual_seed(1); }
};

const bool registered = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new SeedEachTest);  // GoogleTest owns it
  return true;
}();

}  // namespace
