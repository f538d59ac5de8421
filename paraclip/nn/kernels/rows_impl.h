// Layer norm and the passes over long vectors, for the instruction set of the including file.
#pragma once

#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/kernels/simd.h"

namespace paraclip::kernels {
namespace {

template <bool kBf16>
void norm_row(const NormCall& c, int64_t row) {
  const float* x = c.x + row * c.x_stride;
  Floats sum = {};
  for_vectors(c.width, [&](int64_t i, int n) { sum += load_some(x, i, n); });
  const float mean = sum_of(sum) / static_cast<float>(c.width);
  Floats squares = {};
  for_vectors(c.width, [&](int64_t i, int n) {
    Floats d = load_some(x, i, n) - mean;
    if (n < kLanes) {
      float parts[kLanes] = {};
      store_part<false>(parts, d, n);
      d = load_as<Floats>(parts);
    }
    squares += d * d;
  });
  const float variance = sum_of(squares) / static_cast<float>(c.width);
  const float rstd = reciprocal_root(variance + static_cast<float>(c.eps));
  if (c.mean != nullptr) {
    c.mean[row] = mean;
    c.rstd[row] = rstd;
  }
  std::byte* y = c.y + row * c.y_stride * kSize<kBf16>;
  for_vectors(c.width, [&](int64_t i, int n) {
    const Floats normal = (load_some(x, i, n) - mean) * rstd;
    store_some<kBf16>(y, i, normal * load_some(c.weight, i, n) + load_some(c.bias, i, n), n);
  });
}

void norm(const NormCall& c) {
  for (int64_t row = 0; row < c.rows; ++row) {
    if (c.bfloat16) {
      norm_row<true>(c, row);
    } else {
      norm_row<false>(c, row);
    }
  }
}

// With g = dy * weight and n = (x - mean) rstd: dx = rstd (g - mean(g) - n mean(g n)).
template <bool kBf16>
void norm_gradient_row(const NormGradientCall& c, int64_t row) {
  const NormCall& f = c.norm;
  const float* x = f.x + row * f.x_stride;
  const float* dy = c.dy + row * c.dy_stride;
  float* dx = c.dx + row * c.dx_stride;
  const float mean = f.mean[row], rstd = f.rstd[row];
  Floats g_sum = {}, gn_sum = {};
  for_vectors(f.width, [&](int64_t i, int n) {
    const Floats grad = load_some(dy, i, n);
    const Floats normal = (load_some(x, i, n) - mean) * rstd;
    const Floats g = grad * load_some(f.weight, i, n);
    g_sum += g;
    gn_sum += g * normal;
    store_some(c.weight_gradient, i, load_some(c.weight_gradient, i, n) + grad * normal, n);
    store_some(c.bias_gradient, i, load_some(c.bias_gradient, i, n) + grad, n);
  });
  const float g_mean = sum_of(g_sum) / static_cast<float>(f.width);
  const float gn_mean = sum_of(gn_sum) / static_cast<float>(f.width);
  std::byte* copy =
      c.dx_copy == nullptr ? nullptr : c.dx_copy + row * c.dx_copy_stride * kSize<kBf16>;
  std::byte* y = f.y == nullptr ? nullptr : f.y + row * f.y_stride * kSize<kBf16>;
  for_vectors(f.width, [&](int64_t i, int n) {
    const Floats normal = (load_some(x, i, n) - mean) * rstd;
    const Floats weight = load_some(f.weight, i, n);
    const Floats g = load_some(dy, i, n) * weight;
    const Floats sum = load_some(dx, i, n) + rstd * (g - g_mean - normal * gn_mean);
    store_some(dx, i, sum, n);
    if (copy != nullptr) store_some<kBf16>(copy, i, sum, n);
    if (y != nullptr) store_some<kBf16>(y, i, normal * weight + load_some(f.bias, i, n), n);
  });
}

void norm_gradient(const NormGradientCall& c) {
  for (int64_t row = 0; row < c.norm.rows; ++row) {
    if (c.norm.bfloat16) {
      norm_gradient_row<true>(c, row);
    } else {
      norm_gradient_row<false>(c, row);
    }
  }
}

void convert(const float* from, std::byte* to, int64_t count) {
  for_vectors(count, [&](int64_t i, int n) { store_some<true>(to, i, load_some(from, i, n), n); });
}

}  // namespace
}  // namespace paraclip::kernels
