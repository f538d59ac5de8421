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

at::Tensor offsets_tensor(const std::vector<int64_t>& offsets) {
  return at::tensor(at::ArrayRef<int64_t>(offsets), at::kLong);
}

class PackedAttentionTest : public testing::TestWithParam<bool> {};

TEST_P(PackedAttentionTest, MatchesLibtorchForwardAndBackward) {
  const bool causal = GetParam();

  const std::vector<int64_t> offsets = {0, 1, 4, 4 + 77, 4 + 77 + 9};
  for (const int64_t heads : {1, 3, 8}) {
    const at::Tensor qkv = at::randn({offsets.back(), 3 * 24}, at::kDouble).set_requires_grad(true);
    const at::Tensor weights = at::randn({offsets.back(), 24}, at::kDouble);
    const at::Tensor output = packed_attention(qkv, offsets_tensor(offsets), heads, causal);
    (output * weights).sum().backward();
    const at::Tensor gradient = qkv.grad().clone();
    at::Tensor(qkv).mutable_grad().reset();
    const at::Tensor expected = reference(qkv, offsets, heads, causal);
    (expected * weights).sum().backward();
    EXPECT_LT((output - expected).abs().max().item<double>(), 1e-12) << heads << " heads";
    EXPECT_LT((gradient - qkv.grad()).abs().max().item<double>(), 1e-12) << heads << " heads";
  }
}

TEST_P(PackedAttentionTest, SequencesDoNotSeeEachOther) {
  const at::Tensor qkv = at::randn({12, 3 * 16});
  const at::Tensor together = packed_attention(qkv, offsets_tensor({0, 5, 12}), 4, GetParam());
  const at::Tensor alone =
      packed_attention(qkv.slice(0, 5, 12).contiguous(), offsets_tensor({0, 7}), 4, GetParam());
  EXPECT_TRUE(at::equal(together.slice(0, 5, 12), alone));
}

INSTANTIATE_TEST_SUITE_P(Masks, PackedAttentionTest, testing::Bool(),
                         [](const auto& mask) { return mask.param ? "Causal" : "Full"; });

TEST(PackedAttention, LargeScoresStayFinite) {
  const at::Tensor qkv = at::full({6, 3 * 8}, 1e4f);
  EXPECT_TRUE(
      at::isfinite(packed_attention(qkv, offsets_tensor({0, 6}), 2, true)).all().item<bool>());
}

}  // namespace
}  // namespace paraclip
