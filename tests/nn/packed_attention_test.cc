#include "paraclip/nn/packed_attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace paraclip {
namespace {

// Attention written with libtorch's operators, one sequence at a time.
at::Tensor reference(const at::Tensor& qkv, const std::vector<int64_t>& offsets, int64_t heads,
                     bool causal) {
  std::vector<at::Tensor> outputs;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const at::Tensor rows = qkv.slice(0, offsets[i], offsets[i + 1]);
    const int64_t length = rows.size(0);
    const int64_t width = rows.size(1) / 3;
    const auto split = rows.reshape({length, 3, heads, width / heads}).permute({1, 2, 0, 3});
    at::Tensor scores = at::matmul(split[0], split[1].transpose(1, 2)) /
                        std::sqrt(static_cast<double>(width / heads));
    if (causal) {
      const at::Tensor later = at::ones({length, length}, at::kBool).triu(1);
      scores = scores.masked_fill(later, -std::numeric_limits<double>::infinity());
    }
    outputs.push_back(
        at::matmul(scores.softmax(-1), split[2]).transpose(0, 1).reshape({length, width}));
  }
  return at::cat(outputs);
}

std::vector<int32_t> depths_of(const std::vector<int64_t>& offsets) {
  std::vector<int32_t> depths;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    for (int64_t row = offsets[i]; row < offsets[i + 1]; ++row) {
      depths.push_back(static_cast<int32_t>(row - offsets[i]));
    }
  }
  return depths;
}

class PackedAttentionTest : public testing::TestWithParam<bool> {};

// Result and gradient must be libtorch's, in double, for every instruction set.
TEST_P(PackedAttentionTest, MatchesLibtorchForwardAndBackward) {
  const bool causal = GetParam();
  const std::vector<int64_t> offsets = {0, 1, 4, 4 + 77, 4 + 77 + 9};
  const kernels::KernelList list = kernels::available();
  for (int i = 0; i < list.count; ++i) {
    kernels::use(*list.items[i]);
    for (const int64_t heads : {1, 3, 8}) {
      SCOPED_TRACE(testing::Message() << list.items[i]->name << ", " << heads << " heads");
      const at::Tensor qkv = at::randn({offsets.back(), 3 * 24}).set_requires_grad(true);
      const at::Tensor weights = at::randn({offsets.back(), 24});
      const at::Tensor output = packed_attention(qkv, depths_of(offsets), heads, causal);
      (output * weights).sum().backward();
      const at::Tensor exact = qkv.detach().to(at::kDouble).set_requires_grad(true);
      const at::Tensor expected = reference(exact, offsets, heads, causal);
      (expected * weights).sum().backward();
      EXPECT_LT((output - expected).abs().max().item<double>(), 3e-6);
      EXPECT_LT((qkv.grad() - exact.grad()).abs().max().item<double>(), 2e-5);
    }
  }
}

TEST(PackedAttention, SharedPrefixesGiveWhatWholeSequencesGive) {
  // 0 1 2 3, 0 1 4 5, 0 6 by rows: a tree, and then its three paths in full.
  const std::vector<int32_t> tree = {0, 1, 2, 3, 2, 3, 1};
  const at::Tensor paths = at::tensor({0, 1, 2, 3, 0, 1, 4, 5, 0, 6}, at::kLong);
  const at::Tensor qkv = at::randn({7, 3 * 32}).set_requires_grad(true);
  const at::Tensor output = packed_attention(qkv, tree, 2, /*causal=*/true);
  const at::Tensor weights = at::randn({10, 32});
  (output.index_select(0, paths) * weights).sum().backward();
  const at::Tensor gradient = qkv.grad().clone();
  at::Tensor(qkv).mutable_grad().reset();
  const at::Tensor whole =
      packed_attention(qkv.index_select(0, paths), depths_of({0, 4, 8, 10}), 2, /*causal=*/true);
  (whole * weights).sum().backward();
  EXPECT_TRUE(at::equal(output.index_select(0, paths), whole));
  EXPECT_LT((gradient - qkv.grad()).abs().max().item<double>(), 1e-5);
}

TEST_P(PackedAttentionTest, SequencesDoNotSeeEachOther) {
  const at::Tensor qkv = at::randn({12, 3 * 16});
  const at::Tensor together = packed_attention(qkv, depths_of({0, 5, 12}), 4, GetParam());
  const at::Tensor alone =
      packed_attention(qkv.slice(0, 5, 12).contiguous(), depths_of({0, 7}), 4, GetParam());
  EXPECT_TRUE(at::equal(together.slice(0, 5, 12), alone));
}

INSTANTIATE_TEST_SUITE_P(Masks, PackedAttentionTest, testing::Bool(),
                         [](const auto& mask) { return mask.param ? "Causal" : "Full"; });

TEST(PackedAttention, LargeScoresStayFinite) {
  const at::Tensor qkv = at::full({6, 3 * 8}, 1e4f);
  EXPECT_TRUE(at::isfinite(packed_attention(qkv, depths_of({0, 6}), 2, true)).all().item<bool>());
}

}  // namespace
}  // namespace paraclip
