#include "paraclip/nn/linear.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <vector>

namespace paraclip {
namespace {

using Epilogue = PackedLinear::Epilogue;

// Rows, inputs and outputs: one of each, odd ones, and those of a real layer.
struct Sizes {
  int64_t rows, in, out;
};
const std::vector<Sizes> kSizes = {{1, 1, 1},    {1, 7, 3},      {5, 1, 9},       {7, 13, 1},
                                   {3, 33, 257}, {101, 75, 129}, {1600, 96, 384}, {50, 768, 512}};

double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

// Relative to the largest element: the rounding of sums in another order.
double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return largest(a.to(at::kDouble) - b.to(at::kDouble)) / largest(b.to(at::kDouble));
}

struct Layer {
  explicit Layer(const Sizes& sizes)
      : input(at::randn({sizes.rows, sizes.in})),
        weight(at::randn({sizes.out, sizes.in})),
        bias(at::randn({sizes.out})) {}

  at::Tensor input, weight, bias;
};

std::string name(const Sizes& sizes) {
  return fmt::format("{} x {} to {}", sizes.rows, sizes.in, sizes.out);
}

class LinearTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  static std::optional<at::Tensor> bias_of(const Layer& layer) {
    return GetParam() ? std::optional(layer.bias) : std::nullopt;
  }
};

TEST_P(LinearTest, ForwardAndEveryGradientEqualLibtorchs) {
  for (const Sizes& sizes : kSizes) {
    Layer layer(sizes);
    const at::Tensor factors = at::randn({sizes.rows, sizes.out});
    std::vector<at::Tensor> outputs;
    std::vector<std::vector<at::Tensor>> gradients;
    for (const bool ours : {true, false}) {
      std::vector<at::Tensor> leaves;
      for (const at::Tensor& value : {layer.input, layer.weight, layer.bias}) {
        leaves.push_back(value.detach().clone().to(ours ? at::kFloat : at::kDouble));
        leaves.back().set_requires_grad(true);
      }
      const std::optional<at::Tensor> bias = GetParam() ? std::optional(leaves[2]) : std::nullopt;
      const at::Tensor output =
          ours ? linear_layer(leaves[0], leaves[1], bias) : at::linear(leaves[0], leaves[1], bias);
      (output * factors).sum().backward();
      outputs.push_back(output.detach());
      leaves.resize(GetParam() ? 3 : 2);
      gradients.emplace_back();
      for (const at::Tensor& leaf : leaves) gradients.back().push_back(leaf.grad());
    }
    EXPECT_LT(relative_difference(outputs[0], outputs[1]), 2e-6) << name(sizes);
    for (size_t i = 0; i < gradients[0].size(); ++i) {
      EXPECT_LT(relative_difference(gradients[0][i], gradients[1][i]), 2e-6) << name(sizes) << i;
    }
  }
}

TEST_P(LinearTest, GradientsAreOnlyMadeWhereTheyAreNeeded) {
  const Layer layer({6, 5, 4});
  at::Tensor weight = layer.weight.clone().set_requires_grad(true);
  linear_layer(layer.input, weight, bias_of(layer)).sum().backward();
  EXPECT_TRUE(weight.grad().defined());
  EXPECT_FALSE(layer.input.grad().defined());
  at::Tensor input = layer.input.clone().set_requires_grad(true);
  linear_layer(input, layer.weight, bias_of(layer)).sum().backward();
  EXPECT_LT(relative_difference(input.grad(), layer.weight.sum(0).expand({6, 5})), 2e-6);
}

TEST_P(LinearTest, ViewsAndTransposesAreReadRight) {
  const Layer layer({8, 6, 10});
  const at::Tensor columns = layer.input.t().contiguous().t();
  ASSERT_FALSE(columns.is_contiguous());
  const at::Tensor expected = at::linear(layer.input, layer.weight, bias_of(layer));
  EXPECT_LT(relative_difference(linear_layer(columns, layer.weight, bias_of(layer)), expected),
            2e-6);
  const at::Tensor turned = layer.weight.t().contiguous().t();
  EXPECT_LT(relative_difference(linear_layer(layer.input, turned, bias_of(layer)), expected), 2e-6);
  const PackedLinear packed(turned, bias_of(layer), at::kFloat);
  EXPECT_LT(relative_difference(packed(columns), expected), 2e-6);
  at::Tensor input = layer.input.clone().set_requires_grad(true);
  // The gradient comes in as a view, expanded from one number.
  linear_layer(input, turned, bias_of(layer)).sum().backward();
  EXPECT_LT(relative_difference(input.grad(), layer.weight.sum(0).expand({8, 6})), 2e-6);
}

TEST_P(LinearTest, NoRowsGiveNoRows) {
  const Layer layer({0, 5, 4});
  EXPECT_EQ(linear_layer(layer.input, layer.weight, bias_of(layer)).sizes(),
            at::IntArrayRef({0, 4}));
}

at::Tensor reference(const at::Tensor& input, const at::Tensor& weight,
                     const std::optional<at::Tensor>& bias, Epilogue epilogue) {
  const at::Tensor y = at::linear(input.to(at::kDouble), weight.to(at::kDouble),
                                  bias ? std::optional(bias->to(at::kDouble)) : std::nullopt);
  switch (epilogue) {
    case Epilogue::kSwish: return y * at::sigmoid(y);
    case Epilogue::kGelu: return y * 0.5 * (1 + at::erf(y / std::sqrt(2.0)));
    case Epilogue::kNone: break;
  }
  return y;
}

TEST_P(LinearTest, PackedLayersComputeEveryEpilogue) {
  for (const Sizes& sizes : kSizes) {
    const Layer layer(sizes);
    for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kSwish, Epilogue::kGelu}) {
      const at::Tensor expected = reference(layer.input, layer.weight, bias_of(layer), epilogue);
      // The activations cancel near 0: they are compared with the size of what goes in.
      const double size =
          largest(reference(layer.input, layer.weight, bias_of(layer), Epilogue::kNone));
      const PackedLinear packed(layer.weight, bias_of(layer), at::kFloat, epilogue);
      const std::string where = fmt::format("{}, {}", name(sizes), static_cast<int>(epilogue));
      EXPECT_LT(largest(packed(layer.input) - expected) / size, 4e-6) << where;

      const PackedLinear half(layer.weight, bias_of(layer), at::kBFloat16, epilogue);
      const at::Tensor result = half(layer.input.to(at::kBFloat16));
      EXPECT_EQ(result.scalar_type(), at::kBFloat16);
      EXPECT_LT(largest(result - expected) / size, 2e-2) << where;
    }
  }
}

TEST_P(LinearTest, PackedLayersAddToTheResidualAndLeaveItAlone) {
  for (const Sizes& sizes : kSizes) {
    const Layer layer(sizes);
    const at::Tensor residual = at::randn({sizes.rows, sizes.out});
    const at::Tensor before = residual.clone();
    const PackedLinear packed(layer.weight, bias_of(layer), at::kFloat);
    const at::Tensor expected =
        reference(layer.input, layer.weight, bias_of(layer), Epilogue::kNone) + residual;
    EXPECT_LT(relative_difference(packed.add_to(residual, layer.input), expected), 4e-6)
        << name(sizes);
    EXPECT_TRUE(at::equal(residual, before)) << name(sizes);
  }
}

INSTANTIATE_TEST_SUITE_P(Biases, LinearTest, testing::Bool(),
                         [](const auto& bias) { return bias.param ? "WithBias" : "WithoutBias"; });

}  // namespace
}  // namespace paraclip
