#include "paraclip/train/optimizer.h"

#include "paraclip/base/error.h"
#include "paraclip/train/gradient_buffer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

namespace paraclip {
namespace {

std::vector<NamedTensor> parameters() {
  return {{"matrix", at::full({2, 2}, 1.0f).set_requires_grad(true)},
          {"bias", at::full({2}, 1.0f).set_requires_grad(true)},
          {"unused", at::full({2, 2}, 1.0f).set_requires_grad(true)}};
}

void set_gradients(std::vector<NamedTensor>& tensors, float matrix, float bias) {
  tensors[0].second.mutable_grad() = at::full({2, 2}, matrix);
  tensors[1].second.mutable_grad() = at::full({2}, bias);
}

TEST(AdamW, FollowsTheFormulaAndDecaysOnlyMatrices) {
  auto tensors = parameters();
  AdamWOptions options;
  options.weight_decay = 0.1;
  AdamW optimizer(tensors, options);
  double value[] = {1, 1};
  double first[] = {0, 0};
  double second[] = {0, 0};
  for (int step = 1; step <= 5; ++step) {
    const double gradient[] = {0.5 * step, -0.25};
    set_gradients(tensors, static_cast<float>(gradient[0]), static_cast<float>(gradient[1]));
    optimizer.step(/*learning_rate=*/0.01);
    for (int i = 0; i < 2; ++i) {
      value[i] *= 1 - 0.01 * (i == 0 ? 0.1 : 0.0);
      first[i] = 0.9 * first[i] + 0.1 * gradient[i];
      second[i] = 0.98 * second[i] + 0.02 * gradient[i] * gradient[i];
      value[i] -= 0.01 * (first[i] / (1 - std::pow(0.9, step))) /
                  (std::sqrt(second[i] / (1 - std::pow(0.98, step))) + 1e-6);
    }
    EXPECT_NEAR(tensors[0].second[0][0].item<double>(), value[0], 1e-6);
    EXPECT_NEAR(tensors[1].second[0].item<double>(), value[1], 1e-6);
  }
  EXPECT_TRUE(at::equal(tensors[2].second.detach(), at::ones({2, 2})));
}

TEST(AdamW, GoesOnFromItsState) {
  auto straight = parameters();
  auto resumed = parameters();
  AdamW a(straight, AdamWOptions{});
  set_gradients(straight, 0.3f, 0.1f);
  a.step(0.01);
  for (size_t i = 0; i < straight.size(); ++i) {
    at::Tensor(resumed[i].second.detach()).copy_(straight[i].second.detach());
  }
  AdamW b(resumed, AdamWOptions{});
  b.load_state(a.steps(), a.state());
  set_gradients(straight, -0.2f, 0.4f);
  set_gradients(resumed, -0.2f, 0.4f);
  a.step(0.01);
  b.step(0.01);
  EXPECT_TRUE(at::equal(straight[0].second.detach(), resumed[0].second.detach()));
  EXPECT_THROW(b.load_state(1, {}), Error);
}

// Against libtorch's kernel, which torch.optim.AdamW(fused=True) runs, over sizes that fill blocks
// and vectors and that do not.
TEST(AdamW, EqualsTorchWithClippingAndRatesOfParameters) {
  const AdamWOptions options;
  std::vector<NamedTensor> tensors;
  std::vector<at::Tensor> values, first, second;
  const std::vector<std::vector<int64_t>> shapes = {{300, 301}, {7}, {64, 16}, {1, 3}};
  for (const auto& shape : shapes) {
    const at::Tensor value = at::randn(shape);
    values.push_back(value.clone());
    tensors.emplace_back(std::to_string(tensors.size()), value.set_requires_grad(true));
    first.push_back(at::zeros(shape));
    second.push_back(at::zeros(shape));
  }
  const std::vector<double> factors = {1.0, 0.5, 0.25, 1.0};
  const GradientBuffer gradients(tensors);
  AdamW optimizer(tensors, options, factors);
  for (int step = 1; step <= 5; ++step) {
    for (auto& [name, tensor] : tensors) tensor.mutable_grad().normal_();
    const double factor = clip_factor(gradients.norm(), 2.0);
    EXPECT_LT(factor, 0.1);
    optimizer.step(0.01, factor);
    for (size_t i = 0; i < tensors.size(); ++i) {
      const at::Tensor gradient = tensors[i].second.grad() * factor;
      const at::Tensor count = at::scalar_tensor(static_cast<double>(step), at::kFloat);
      at::_fused_adamw_({values[i]}, {gradient}, {first[i]}, {second[i]}, {}, {count},
                        0.01 * factors[i], options.beta1, options.beta2,
                        values[i].dim() >= 2 ? options.weight_decay : 0.0, options.eps,
                        /*amsgrad=*/false, /*maximize=*/false);
      const at::Tensor difference = (tensors[i].second.detach() - values[i]).abs();
      EXPECT_LT(difference.max().item<double>(), 1e-6) << step << " " << i;
    }
  }
}

TEST(AdamW, BumpsTheVersionOfWhatItChanges) {
  auto tensors = parameters();
  set_gradients(tensors, 1.0f, 1.0f);
  AdamW optimizer(tensors, AdamWOptions{});
  const auto before = tensors[0].second._version(), unused = tensors[2].second._version();
  optimizer.step(0.01);
  EXPECT_GT(tensors[0].second._version(), before);
  EXPECT_EQ(tensors[2].second._version(), unused);
}

TEST(Gradients, NormIsThatOfAllAndClippingLimitsIt) {
  auto tensors = parameters();
  const GradientBuffer gradients(tensors);
  tensors[0].second.mutable_grad().fill_(3.0f);
  tensors[1].second.mutable_grad().fill_(4.0f);
  const double norm = gradients.norm();
  EXPECT_NEAR(norm, std::sqrt(4 * 9.0 + 2 * 16.0), 1e-12);
  EXPECT_NEAR(norm * clip_factor(norm, 1.0), 1.0, 1e-6);
  EXPECT_EQ(clip_factor(norm, 100.0), 1.0);
  EXPECT_EQ(clip_factor(norm, 0), 1.0);
}

TEST(Gradients, AreViewsOfOneBufferToWhichABackwardPassAdds) {
  auto tensors = parameters();
  GradientBuffer gradients(tensors);
  const void* place = tensors[1].second.grad().data_ptr();
  for (const float expected : {2.0f, 4.0f}) {
    (tensors[1].second * 2).sum().backward();
    EXPECT_TRUE(at::equal(tensors[1].second.grad(), at::full({2}, expected)));
  }
  EXPECT_EQ(tensors[1].second.grad().data_ptr(), place);
  EXPECT_EQ(gradients.norm(), std::sqrt(2 * 16.0));
  gradients.zero();
  EXPECT_EQ(gradients.norm(), 0);
  EXPECT_TRUE(at::equal(tensors[1].second.grad(), at::zeros({2})));
}

TEST(Gradients, NormIsTheSameForAnyNumberOfThreads) {
  std::vector<NamedTensor> tensors = {{"a", at::zeros({333, 777}).set_requires_grad(true)},
                                      {"b", at::zeros({12345}).set_requires_grad(true)}};
  const GradientBuffer gradients(tensors);
  for (auto& [name, tensor] : tensors) tensor.mutable_grad().normal_();
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const double one = gradients.norm();
  at::set_num_threads(3);
  const double three = gradients.norm();
  at::set_num_threads(threads);
  EXPECT_EQ(one, three);
  double squares = 0;
  for (const auto& [name, tensor] : tensors) {
    squares += tensor.grad().to(at::kDouble).square().sum().item<double>();
  }
  EXPECT_NEAR(one, std::sqrt(squares), 1e-12 * one);
}

}  // namespace
}  // namespace paraclip
