// The products against a plain sum in double, for every instruction set that this machine has.

#include "paraclip/nn/gemm.h"

#include "paraclip/nn/kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace paraclip {
namespace {

struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<float> values;
  float at(int64_t i, int64_t j) const { return values[static_cast<size_t>(i * columns + j)]; }
};

Matrix random_matrix(int64_t rows, int64_t columns, int seed, bool bf16) {
  std::mt19937 engine(static_cast<unsigned>(seed));
  std::normal_distribution<float> normal;
  Matrix m{rows, columns, std::vector<float>(static_cast<size_t>(rows * columns))};
  for (float& value : m.values) {
    value = normal(engine);
    if (bf16) value = to_float(to_bfloat16(value));
  }
  return m;
}

Matrix transposed(const Matrix& m) {
  Matrix t{m.columns, m.rows, std::vector<float>(m.values.size())};
  for (int64_t i = 0; i < m.rows; ++i) {
    for (int64_t j = 0; j < m.columns; ++j) {
      t.values[static_cast<size_t>(j * m.rows + i)] = m.at(i, j);
    }
  }
  return t;
}

std::vector<Bfloat16> narrowed(const std::vector<float>& values) {
  std::vector<Bfloat16> result;
  for (const float value : values) result.push_back(to_bfloat16(value));
  return result;
}

std::vector<double> product(const Matrix& a, const Matrix& b) {
  std::vector<double> c(static_cast<size_t>(a.rows * b.columns), 0.0);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t k = 0; k < a.columns; ++k) {
      for (int64_t j = 0; j < b.columns; ++j) {
        c[static_cast<size_t>(i * b.columns + j)] += double(a.at(i, k)) * b.at(k, j);
      }
    }
  }
  return c;
}

// One case: instruction set, type, sizes.
struct Case {
  const kernels::Kernels* kernels;
  bool bf16;
  int64_t rows, depth, columns;
};

class Products : public testing::Test {
 protected:
  template <class Body>
  void for_each_case(const Body& body) {
    const kernels::KernelList list = kernels::available();
    for (int i = 0; i < list.count; ++i) {
      kernels::use(*list.items[i]);
      for (const bool bf16 : {false, true}) {
        // Tails in every dimension, and a depth that is summed in pieces.
        for (const auto [rows, depth, columns] : {std::array<int64_t, 3>{1, 2, 1},
                                                  {4, 66, 32},
                                                  {7, 40, 64},
                                                  {12, 18, 33},
                                                  {13, 30, 31},
                                                  {14, 64, 32},
                                                  {45, 34, 100},
                                                  {30, 3200, 40}}) {
          SCOPED_TRACE(testing::Message() << list.items[i]->name << (bf16 ? " bf16 " : " fp32 ")
                                          << rows << " x " << depth << " x " << columns);
          body(Case{list.items[i], bf16, rows, depth, columns});
        }
      }
    }
    kernels::use(*list.items[list.count - 1]);
  }
};

struct Factors {
  Matrix a, b;
  std::vector<Bfloat16> a_narrow;
  PackedFactor packed;
  Gemm gemm;
};

void prepare(const Case& c, bool a_transposed, Factors& f) {
  f.a = random_matrix(c.rows, c.depth, 1, c.bf16);
  f.b = random_matrix(c.depth, c.columns, 2, c.bf16);
  Matrix stored = a_transposed ? transposed(f.a) : f.a;
  f.packed.resize(c.bf16 ? NumberType::kBfloat16 : NumberType::kFloat32, c.depth, c.columns);
  f.packed.pack(f.b.values.data(), c.columns, 0, f.packed.panels());
  f.a_narrow = narrowed(stored.values);
  if (a_transposed) f.a = stored;
  f.gemm.a = c.bf16 ? static_cast<const void*>(f.a_narrow.data()) : f.a.values.data();
  f.gemm.a_stride = stored.columns;
  f.gemm.a_transposed = a_transposed;
  f.gemm.rows = c.rows;
  f.gemm.b = &f.packed;
  f.gemm.result_stride = c.columns;
  if (a_transposed) {
    // gemm.a points into f.a, whose own copy for the reference is transposed back by the caller.
    f.gemm.a = c.bf16 ? static_cast<const void*>(f.a_narrow.data()) : f.a.values.data();
  }
}

void expect_close(const std::vector<double>& expected, const std::vector<float>& found,
                  int64_t depth) {
  // One sum after the other: the error grows with their count and their size.
  const double tolerance = 1e-6 + 1e-7 * double(depth);
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << "element " << i;
  }
}

TEST_F(Products, AreTheSumsThatTheyShouldBe) {
  for_each_case([](const Case& c) {
    Factors f;
    prepare(c, /*a_transposed=*/false, f);
    std::vector<float> result(static_cast<size_t>(c.rows * c.columns), 7.0f);
    f.gemm.result = result.data();
    gemm(f.gemm);
    expect_close(product(f.a, f.b), result, c.depth);
  });
}

TEST_F(Products, TakeEitherFactorTransposed) {
  for_each_case([](const Case& c) {
    Factors f;
    prepare(c, /*a_transposed=*/true, f);
    const Matrix b_t = transposed(f.b);
    f.packed.pack_transposed(b_t.values.data(), c.depth, 0, f.packed.panels());
    std::vector<float> result(static_cast<size_t>(c.rows * c.columns), 1.0f);
    std::vector<float> sums(static_cast<size_t>(c.rows), 2.0f);
    f.gemm.result = result.data();
    f.gemm.row_sums = sums.data();
    f.gemm.epilogue = Epilogue::kAccumulate;
    gemm(f.gemm);
    const Matrix a = transposed(f.a);
    std::vector<double> expected = product(a, f.b);
    for (double& value : expected) value += 1.0;
    expect_close(expected, result, c.depth);
    for (int64_t i = 0; i < c.rows; ++i) {
      double sum = 2.0;
      for (int64_t k = 0; k < c.depth; ++k) sum += a.at(i, k);
      EXPECT_NEAR(sums[static_cast<size_t>(i)], sum, 1e-5 * std::sqrt(double(c.depth)));
    }
  });
}

TEST_F(Products, OfPartsAreThoseOfTheWholeBitForBit) {
  for_each_case([](const Case& c) {
    Factors f;
    prepare(c, /*a_transposed=*/false, f);
    std::vector<float> whole(static_cast<size_t>(c.rows * c.columns)), parts = whole;
    f.gemm.result = whole.data();
    gemm(f.gemm);
    const int64_t size = c.bf16 ? 2 : 4;
    for (int64_t row = 0; row < c.rows; row += 5) {
      for (int64_t panel = 0; panel < f.packed.panels(); ++panel) {
        Gemm part = f.gemm;
        part.a = static_cast<const std::byte*>(f.gemm.a) + row * c.depth * size;
        part.rows = std::min<int64_t>(5, c.rows - row);
        part.panel_begin = panel;
        part.panel_end = panel + 1;
        part.result = parts.data() + row * c.columns;
        gemm(part);
      }
    }
    EXPECT_EQ(whole, parts);
  });
}

TEST_F(Products, OfARangeOfTheDepth) {
  for_each_case([](const Case& c) {
    if (c.depth < 30) return;
    Factors f;
    prepare(c, /*a_transposed=*/false, f);
    std::vector<float> result(static_cast<size_t>(c.rows * c.columns));
    const int64_t begin = 4, size = c.bf16 ? 2 : 4;
    f.gemm.a = static_cast<const std::byte*>(f.gemm.a) + begin * size;
    f.gemm.depth_begin = begin;
    f.gemm.depth_end = c.depth - 2;
    f.gemm.result = result.data();
    gemm(f.gemm);
    for (int64_t i = 0; i < c.rows; ++i) {
      for (const int64_t k :
           {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{3}, c.depth - 2, c.depth - 1}) {
        f.a.values[static_cast<size_t>(i * c.depth + k)] = 0;
      }
    }
    expect_close(product(f.a, f.b), result, c.depth);
  });
}

TEST_F(Products, CarryBiasResidualAndActivation) {
  for_each_case([](const Case& c) {
    Factors f;
    prepare(c, /*a_transposed=*/false, f);
    const std::vector<double> plain = product(f.a, f.b);
    const Matrix bias = random_matrix(1, c.columns, 3, false);
    const Matrix residual = random_matrix(c.rows, c.columns, 4, false);
    const auto count = static_cast<size_t>(c.rows * c.columns);
    const auto with_bias = [&](size_t i) { return plain[i] + bias.values[i % size_t(c.columns)]; };

    std::vector<float> result(count);
    f.gemm.bias = bias.values.data();
    f.gemm.epilogue = Epilogue::kAddTo;
    f.gemm.residual = residual.values.data();
    f.gemm.residual_stride = c.columns;
    f.gemm.result = result.data();
    gemm(f.gemm);
    std::vector<double> expected(count);
    for (size_t i = 0; i < count; ++i) expected[i] = with_bias(i) + residual.values[i];
    expect_close(expected, result, c.depth);

    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    const auto gelu = [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); };
    const auto quick = [&](double x) { return x * sigmoid(1.702 * x); };
    for (const bool is_quick : {false, true}) {
      std::vector<float> hidden(count), activated(count);
      std::vector<Bfloat16> hidden_narrow(count), activated_narrow(count);
      Gemm g = f.gemm;
      g.epilogue = is_quick ? Epilogue::kQuickGelu : Epilogue::kGelu;
      g.result = c.bf16 ? static_cast<void*>(hidden_narrow.data()) : hidden.data();
      g.activated = c.bf16 ? static_cast<void*>(activated_narrow.data()) : activated.data();
      g.activated_stride = c.columns;
      gemm(g);
      const double tolerance = (c.bf16 ? 0.02 : 2e-6) + 1e-7 * double(c.depth);
      for (size_t i = 0; i < count; ++i) {
        const double h = c.bf16 ? to_float(hidden_narrow[i]) : hidden[i];
        const double y = c.bf16 ? to_float(activated_narrow[i]) : activated[i];
        ASSERT_NEAR(h, with_bias(i), tolerance * (1 + std::abs(with_bias(i))));
        const double wanted = is_quick ? quick(h) : gelu(h);
        ASSERT_NEAR(y, wanted, (c.bf16 ? 4e-3 : 4e-7) * (0.1 + std::abs(wanted)));
      }
      // The gradient takes h as it was stored.
      Gemm back = f.gemm;
      back.bias = nullptr;
      back.epilogue = is_quick ? Epilogue::kQuickGeluGradient : Epilogue::kGeluGradient;
      back.hidden = g.result;
      back.hidden_stride = c.columns;
      std::vector<float> gradient(count), again(count);
      std::vector<Bfloat16> gradient_narrow(count), again_narrow(count);
      back.result = c.bf16 ? static_cast<void*>(gradient_narrow.data()) : gradient.data();
      back.activated = c.bf16 ? static_cast<void*>(again_narrow.data()) : again.data();
      back.activated_stride = c.columns;
      gemm(back);
      for (size_t i = 0; i < count; ++i) {
        const double h = c.bf16 ? to_float(hidden_narrow[i]) : hidden[i];
        const double step = 1e-5;
        const double slope = is_quick ? (quick(h + step) - quick(h - step)) / (2 * step)
                                      : (gelu(h + step) - gelu(h - step)) / (2 * step);
        const double wanted = plain[i] * slope;
        const double found = c.bf16 ? to_float(gradient_narrow[i]) : gradient[i];
        ASSERT_NEAR(found, wanted,
                    (c.bf16 ? 5e-3 : 1e-5 + 1e-7 * double(c.depth)) * (0.5 + std::abs(wanted)));
        ASSERT_EQ(again[i], activated[i]);
        ASSERT_EQ(again_narrow[i].bits, activated_narrow[i].bits);
      }
    }
  });
}

TEST(Bfloat16, RoundsToNearestEven) {
  EXPECT_EQ(to_bfloat16(1.0f).bits, 0x3f80);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f808000u)).bits, 0x3f80);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f818000u)).bits, 0x3f82);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(NAN))));
  EXPECT_TRUE(std::isinf(to_float(to_bfloat16(INFINITY))));
}

}  // namespace
}  // namespace paraclip
