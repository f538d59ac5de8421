// The passes over a tile of logits of a contrastive loss, for the instruction set of the including
// file. Logits are in units of log 2 here, so that a power of two is all that they need.
#pragma once

#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/kernels/simd.h"

namespace paraclip::kernels {
namespace {

// In place of the product of a pair that does not count: no exponential of it is above zero beside
// a real one's, and differences of it stay finite.
constexpr float kNoPair = -1e9f;

// 2^x to 8e-8 of it, for x < 128; 0 below -100, so that no product of two is denormal. NaN stays
// NaN. The polynomial is the minimax one of degree 6 on [-1/2, 1/2], with value 1 at 0.
inline Floats power_of_two(Floats x) {
  const Floats magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer.
  const Floats shifted = x + magic;
  const Floats r = x - (shifted - magic);
  Floats p = splat(1.5353362e-4f);
  p = p * r + 1.3398874e-3f;
  p = p * r + 9.618437e-3f;
  p = p * r + 5.5503325e-2f;
  p = p * r + 2.4022648e-1f;
  p = p * r + 6.9314720e-1f;
  p = p * r + 1.0f;
  // The integer is in the lower bits of `shifted`: into the exponent with it.
  const Floats power = as_floats(as_words(p) + (as_words(shifted) << 23));
  return x < -100.0f ? Floats{} : power;
}

inline Floats maximum(Floats a, Floats b) { return a > b ? a : b; }

inline float maximum_of(Floats x) {
  float largest = x[0];
  for (int i = 1; i < kLanes; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

// Takes out of row `r` what is no negative: its partner, pairs of identical content, and the
// padding up to whole vectors, for which the stride leaves room.
inline void leave_out(const ContrastTile& t, int64_t r) {
  float* row = t.products + r * t.stride;
  const auto drop_identical = [&](const int32_t* rows, const int32_t* columns) {
    if (rows == nullptr) return;
    const Signed own = Signed{} + rows[r];
    for (int64_t j = 0; j < t.columns; j += kLanes) {
      const Signed same = load_as<Signed>(columns + j) == own;
      store_as(row + j, same ? splat(kNoPair) : load_as<Floats>(row + j));
    }
  };
  drop_identical(t.row_a, t.column_a);
  drop_identical(t.row_b, t.column_b);
  const int64_t partner = r + t.partner;
  if (partner >= 0 && partner < t.columns) row[partner] = kNoPair;
  for (int64_t j = t.columns; j < padded(t.columns); ++j) row[j] = kNoPair;
}

void contrast(const ContrastCall& c) {
  const ContrastTile& t = c.tile;
  alignas(64) float maxima[kContrastColumns], sums[kContrastColumns] = {};
  const int64_t columns = padded(t.columns);
  for (int64_t j = 0; j < columns; ++j) maxima[j] = c.column_maxima[j];
  for (int64_t r = 0; r < t.rows; ++r) {
    float* row = t.products + r * t.stride;
    const int64_t partner = r + t.partner;
    if (partner >= 0 && partner < t.columns) c.partners[r] = row[partner] * t.scale;
    leave_out(t, r);
    Floats largest = splat(c.row_maxima[r]);
    for (int64_t j = 0; j < columns; j += kLanes) {
      const Floats logit = load_as<Floats>(row + j) * t.scale;
      store_as(row + j, logit);
      largest = maximum(logit, largest);
      store_as(maxima + j, maximum(logit, load_as<Floats>(maxima + j)));
    }
    const float above = maximum_of(largest);
    c.row_sums[r] *= power_of_two(splat(c.row_maxima[r] - above))[0];
    c.row_maxima[r] = above;
  }
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* row = t.products + r * t.stride;
    const float above = c.row_maxima[r];
    Floats total = {};
    for (int64_t j = 0; j < columns; j += kLanes) {
      const Floats logit = load_as<Floats>(row + j);
      total += power_of_two(logit - above);
      store_as(sums + j,
               load_as<Floats>(sums + j) + power_of_two(logit - load_as<Floats>(maxima + j)));
    }
    c.row_sums[r] += sum_of(total);
  }
  for (int64_t j = 0; j < columns; j += kLanes) {
    const Floats above = load_as<Floats>(maxima + j);
    const Floats before = power_of_two(load_as<Floats>(c.column_maxima + j) - above);
    store_as(c.column_sums + j,
             load_as<Floats>(c.column_sums + j) * before + load_as<Floats>(sums + j));
    store_as(c.column_maxima + j, above);
  }
}

void contrast_gradient(const ContrastGradientCall& c) {
  const ContrastTile& t = c.tile;
  const int64_t columns = padded(t.columns);
  for (int64_t r = 0; r < t.rows; ++r) {
    float* row = t.products + r * t.stride;
    leave_out(t, r);
    const float shift = c.row_shifts[r], partner = c.row_partners[r];
    Floats slope = {};
    for (int64_t j = 0; j < columns; j += kLanes) {
      const Floats logit = load_as<Floats>(row + j) * t.scale;
      const Floats along_row = power_of_two(logit - shift);
      const Floats along_column = power_of_two(logit - load_as<Floats>(c.column_shifts + j));
      store_as(row + j, along_row + along_column);
      slope += along_row * (logit - partner);
      slope += along_column * (logit - load_as<Floats>(c.column_partners + j));
    }
    *c.slope += static_cast<double>(sum_of(slope));
    const int64_t column = r + t.partner;
    if (column >= 0 && column < t.columns) row[column] = c.partner_gradients[r];
  }
}

}  // namespace
}  // namespace paraclip::kernels
