#include "paraclip/train/info_nce.h"

#include "paraclip/nn/kernels/kernels.h"
#include "tests/train/reference_loss.h"
#include "tests/train/thread_communicator.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

namespace paraclip {
namespace {

using test::embeddings;
using test::reference_info_nce;
using test::relative_difference;

struct Problem {
  at::Tensor a, b;
  double logit_scale = std::log(100.0);
  LossDirection direction = LossDirection::kSymmetric;
  PairIdentities identities;  // Empty: none.
};

struct Solution {
  InfoNce loss;
  at::Tensor a, b;  // Gradients.
};

Problem problem(int64_t rows, int64_t width) {
  Problem p;
  p.a = embeddings(rows, width);
  p.b = embeddings(rows, width, p.a);
  return p;
}

Solution solve(const Problem& p, Communicator& ranks, double weight = 1) {
  const int64_t local = p.a.size(0) / ranks.size(), first = local * ranks.rank();
  const auto part_of = [&](const std::vector<int64_t>& all) {
    if (all.empty()) return all;
    return std::vector<int64_t>(all.begin() + first, all.begin() + first + local);
  };
  Solution s{{}, at::zeros({local, p.a.size(1)}), at::zeros({local, p.b.size(1)})};
  ContrastSide a(p.a.narrow(0, first, local), part_of(p.identities.a), s.a);
  ContrastSide b(p.b.narrow(0, first, local), part_of(p.identities.b), s.b);
  s.loss = add_info_nce(a, b, p.logit_scale, weight, p.direction, ranks);
  return s;
}
Solution solve(const Problem& p) { return solve(p, *Communicator::single()); }

// By the definition.
Solution reference(const Problem& p) {
  const at::Tensor a = p.a.to(at::kDouble).requires_grad_();
  const at::Tensor b = p.b.to(at::kDouble).requires_grad_();
  const at::Tensor t = at::scalar_tensor(p.logit_scale, at::kDouble).requires_grad_();
  const at::Tensor loss =
      reference_info_nce(a, b, t, p.direction, p.identities.a.empty() ? nullptr : &p.identities);
  loss.backward();
  return {{loss.item<double>(), t.grad().item<double>()}, a.grad(), b.grad()};
}

void expect_equal(const Solution& s, const Solution& expected, double tolerance = 1e-5) {
  EXPECT_NEAR(s.loss.value, expected.loss.value, 1e-6 * std::max(1.0, expected.loss.value));
  EXPECT_NEAR(s.loss.logit_scale_gradient, expected.loss.logit_scale_gradient,
              tolerance * std::max(1e-3, std::abs(expected.loss.logit_scale_gradient)));
  EXPECT_LT(relative_difference(s.a, expected.a), tolerance);
  EXPECT_LT(relative_difference(s.b, expected.b), tolerance);
}

TEST(TiledInfoNce, IsExactForEverySizeAndDirection) {
  const std::pair<int64_t, int64_t> sizes[] = {{2, 8},    {3, 5},    {17, 16},  {251, 33},
                                               {256, 64}, {257, 64}, {600, 48}, {1500, 20}};
  for (const auto& [rows, width] : sizes) {
    for (const auto direction :
         {LossDirection::kSymmetric, LossDirection::kForward, LossDirection::kBackward}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << width << ", " << int(direction));
      Problem p = problem(rows, width);
      p.direction = direction;
      p.logit_scale = 2.7;
      expect_equal(solve(p), reference(p));
    }
  }
}

TEST(TiledInfoNce, IsExactAtTheHighestTemperatureAndForOpposites) {
  Problem p = problem(300, 32);
  expect_equal(solve(p), reference(p), 3e-5);
  // Logits from -100 to 100: exponentials that no float32 holds.
  for (int64_t row = 0; row < 300; row += 2) p.b[row].copy_(-p.a[row]);
  expect_equal(solve(p), reference(p), 3e-5);
}

TEST(TiledInfoNce, OnePairHasNoLoss) {
  const Solution s = solve(problem(1, 8));
  EXPECT_EQ(s.loss.value, 0);
  EXPECT_EQ(s.loss.logit_scale_gradient, 0);
  EXPECT_EQ(s.a.abs().max().item<float>(), 0);
  EXPECT_EQ(s.b.abs().max().item<float>(), 0);
}

TEST(TiledInfoNce, LeavesOutIdenticalContent) {
  Problem p = problem(700, 40);
  p.logit_scale = 2.7;
  for (int64_t i = 0; i < 700; ++i) {
    p.identities.a.push_back(i % 500);                          // Far apart: in other tiles.
    p.identities.b.push_back(i % 7 == 0 ? 77'000'000'000 : i);  // One text, often.
  }
  const Solution s = solve(p);
  expect_equal(s, reference(p));
  Problem unmasked = p;
  unmasked.identities = {};
  EXPECT_GT(std::abs(solve(unmasked).loss.value - s.loss.value), 1e-3);
}

TEST(TiledInfoNce, ARowWithoutNegativesHasNoLossAndNoGradient) {
  Problem p = problem(40, 24);
  p.logit_scale = 2.7;
  p.identities = {std::vector<int64_t>(40, 5), std::vector<int64_t>(40, 5)};
  const Solution all = solve(p);
  EXPECT_EQ(all.loss.value, 0);
  EXPECT_EQ(all.a.abs().max().item<float>(), 0);
  // One caption is in all but one of the samples: those lose all negatives but that.
  p.identities.a[11] = 6;
  p.identities.b[11] = 6;
  expect_equal(solve(p), reference(p));
}

TEST(TiledInfoNce, TheDerivativeByTheLogitScaleIsThatOfTheValue) {
  for (const auto direction : {LossDirection::kSymmetric, LossDirection::kForward}) {
    Problem p = problem(300, 32);
    p.logit_scale = 2.0;
    p.direction = direction;
    const double derivative = solve(p).loss.logit_scale_gradient;
    const double step = 1e-2;
    p.logit_scale = 2.0 + step;
    const double above = solve(p).loss.value;
    p.logit_scale = 2.0 - step;
    const double below = solve(p).loss.value;
    EXPECT_NEAR((above - below) / (2 * step), derivative, 1e-4 * std::abs(derivative));
  }
}

TEST(TiledInfoNce, WeighsAndAddsGradients) {
  const Problem p = problem(50, 16);
  const Solution one = solve(p);
  Solution twice{{}, at::ones_like(one.a), at::Tensor()};
  ContrastSide a(p.a, {}, twice.a), b(p.b, {});
  const auto alone = Communicator::single();
  const InfoNce loss = add_info_nce(a, b, p.logit_scale, /*weight=*/2, p.direction, *alone);
  EXPECT_EQ(loss.value, one.loss.value);
  EXPECT_NEAR(loss.logit_scale_gradient, 2 * one.loss.logit_scale_gradient, 1e-7);
  EXPECT_LT((twice.a - 1 - 2 * one.a).abs().max().item<double>(), 1e-6);

  ContrastSide untouched(p.a, {}, at::ones_like(p.a));
  const InfoNce only_value =
      add_info_nce(untouched, b, p.logit_scale, /*weight=*/0, p.direction, *alone);
  EXPECT_EQ(only_value.value, one.loss.value);
  EXPECT_EQ(only_value.logit_scale_gradient, 0);
  EXPECT_TRUE(untouched.gradient().eq(1).all().item<bool>());
}

TEST(TiledInfoNce, IsNotFiniteWhereAnEmbeddingIsNot) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    Problem p = problem(300, 16);
    p.a[299][3] = bad;
    const Solution s = solve(p);
    EXPECT_FALSE(std::isfinite(s.loss.value));
    EXPECT_EQ(s.b.abs().max().item<float>(), 0);
  }
  Problem p = problem(30, 16);
  p.logit_scale = NAN;
  EXPECT_FALSE(std::isfinite(solve(p).loss.value));
}

TEST(TiledInfoNce, IsTheSameBytesForAnyNumberOfThreads) {
  const Problem p = problem(1100, 48);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Solution one = solve(p);
  at::set_num_threads(3);
  const Solution three = solve(p);
  at::set_num_threads(threads);
  EXPECT_EQ(one.loss.value, three.loss.value);
  EXPECT_EQ(one.loss.logit_scale_gradient, three.loss.logit_scale_gradient);
  EXPECT_TRUE(one.a.equal(three.a));
  EXPECT_TRUE(one.b.equal(three.b));
}

TEST(TiledInfoNce, RanksTogetherAreAsOneProcess) {
  for (const auto direction : {LossDirection::kSymmetric, LossDirection::kBackward}) {
    Problem p = problem(1200, 40);
    p.direction = direction;
    p.logit_scale = 2.7;
    for (int64_t i = 0; i < 1200; ++i) {
      p.identities.a.push_back(i);
      p.identities.b.push_back(i % 1000);
    }
    const Solution one = solve(p);
    test::ThreadRanks::run(/*size=*/3, [&](Communicator& ranks) {
      const Solution s = solve(p, ranks);
      const int64_t local = 400, first = local * ranks.rank();
      EXPECT_NEAR(s.loss.value, one.loss.value, 1e-6 * one.loss.value);
      EXPECT_NEAR(s.loss.logit_scale_gradient, one.loss.logit_scale_gradient,
                  1e-6 * std::abs(one.loss.logit_scale_gradient));
      EXPECT_LT(relative_difference(s.a, one.a.narrow(0, first, local)), 1e-5);
      EXPECT_LT(relative_difference(s.b, one.b.narrow(0, first, local)), 1e-5);
    });
  }
}

TEST(TiledInfoNce, AllRanksSeeThatAnEmbeddingOfOneIsNotFinite) {
  Problem p = problem(60, 16);
  p.b[59][0] = NAN;
  test::ThreadRanks::run(/*size=*/3, [&](Communicator& ranks) {
    EXPECT_FALSE(std::isfinite(solve(p, ranks).loss.value));
  });
}

TEST(TiledInfoNce, IsExactWithTheKernelsOfEveryInstructionSet) {
  Problem p = problem(333, 50);
  p.logit_scale = 2.7;
  for (int64_t i = 0; i < 333; ++i) {
    p.identities.a.push_back(i % 300);
    p.identities.b.push_back(i);
  }
  const Solution expected = reference(p);
  const kernels::Kernels& best = kernels::active();
  const kernels::KernelList list = kernels::available();
  for (int i = 0; i < list.count; ++i) {
    SCOPED_TRACE(list.items[i]->name);
    kernels::use(*list.items[i]);
    expect_equal(solve(p), expected);
  }
  kernels::use(best);
}

TEST(InfoNce, IsDifferentiatedByAutograd) {
  const Problem p = problem(90, 24);
  const Solution expected = reference(p);
  const at::Tensor a = p.a.clone().requires_grad_(), b = p.b.clone();
  const at::Tensor t = at::scalar_tensor(p.logit_scale).requires_grad_();
  const at::Tensor loss = info_nce(a, b, t) * 3;
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), 3 * expected.loss.value, 1e-5);
  EXPECT_NEAR(t.grad().item<double>(), 3 * expected.loss.logit_scale_gradient, 1e-4);
  EXPECT_LT(relative_difference(a.grad() / 3, expected.a), 3e-5);
  EXPECT_FALSE(b.grad().defined());
}

}  // namespace
}  // namespace paraclip
