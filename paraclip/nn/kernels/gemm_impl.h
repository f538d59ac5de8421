// The products, for the instruction set that the including file is compiled for.
#pragma once

#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/kernels/simd.h"

namespace paraclip::kernels {
namespace {

// What the kernels multiply are units of four bytes: one float32, or two bfloat16 of successive k.
// A tile is kTileRows x kTileColumns elements of the result, held in registers.
#if defined(__AVX512F__)
constexpr int kTileRows = 14, kTileColumns = 32;
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileColumns = 16;
#else
constexpr int kTileRows = 4, kTileColumns = 8;
#endif
constexpr int kPanel = 32;
constexpr int kVectors = kTileColumns / kLanes;
// Rows of A packed at once: what fits into half a level-2 cache beside a panel of B.
constexpr int64_t kBlockBytes = 256 * 1024;

enum EpilogueKind : int {
  kStore,
  kAccumulate,
  kAddTo,
  kQuickGelu,
  kGelu,
  kQuickGeluGradient,
  kGeluGradient
};

template <bool kBf16>
int64_t units_of(int64_t depth) {
  return kBf16 ? (depth + 1) / 2 : depth;
}

template <bool kBf16>
int64_t tiles_a_block(int64_t units) {
  const int64_t tiles = kBlockBytes / (units * kTileRows * 4);
  return tiles < 1 ? 1 : tiles > 16 ? 16 : tiles;
}

int64_t gemm_scratch(int64_t depth, bool bf16) {
  const int64_t units = bf16 ? units_of<true>(depth) : units_of<false>(depth);
  const int64_t tiles = bf16 ? tiles_a_block<true>(units) : tiles_a_block<false>(units);
  // Packing stores whole vectors: the last one may reach beyond the last tile.
  return tiles * units * kTileRows * 4 + 2 * kLanes * 4;
}

// Two rows of bfloat16, element by element: the even k in the lower half.
inline Words interleave(Halves even, Halves odd) {
  return __builtin_convertvector(even, Words) | (__builtin_convertvector(odd, Words) << 16);
}
inline Words pair_of(Floats even, Floats odd) {
#ifdef __AVX512BF16__
  return interleave(narrow(even), narrow(odd));
#else
  return rounded_words(even) | (rounded_words(odd) << 16);
#endif
}

// ---- A: tiles of [units][kTileRows] units

// From rows: a small transposition. Rows beyond `rows` are 0.
void pack_rows(const std::byte* a, int64_t stride_bytes, int64_t rows, int64_t units,
               uint32_t* tile) {
  int64_t unit = 0;
  for (; unit + kLanes <= units; unit += kLanes) {
    Words square[kLanes] = {};
#pragma GCC unroll 16
    for (int64_t r = 0; r < kTileRows; ++r) {
      if (r < rows) square[r] = load_as<Words>(a + r * stride_bytes + unit * 4);
    }
    transpose(square);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) store_as(tile + (unit + i) * kTileRows, square[i]);
  }
  for (; unit < units; ++unit) {
    for (int64_t r = 0; r < kTileRows; ++r) {
      uint32_t value = 0;
      if (r < rows) __builtin_memcpy(&value, a + r * stride_bytes + unit * 4, 4);
      tile[unit * kTileRows + r] = value;
    }
  }
}

// From A transposed, [depth][available >= rows of the tile]; `sums` [kLanes], where given, gets the
// sums over k.
template <bool kBf16>
void pack_transposed_rows(const std::byte* a, int64_t stride, int64_t available, int64_t depth,
                          uint32_t* tile, float* sums) {
  static_assert(kTileRows <= kLanes);  // Lanes beyond the tile are overwritten by the next unit.
  const int64_t step = stride * kSize<kBf16>;
  const int count = available < kLanes ? static_cast<int>(available) : kLanes;
  Floats total = {};
  for (int64_t k = 0; k < depth; k += kBf16 ? 2 : 1, tile += kTileRows) {
    const std::byte* row = a + k * step;
    const Floats even = load_some<kBf16>(row, 0, count);
    total += even;
    Words packed = as_words(even);
    if constexpr (kBf16) {
      const Floats odd = k + 1 == depth ? Floats{} : load_some<true>(row + step, 0, count);
      total += odd;
      packed = (packed >> 16) | as_words(odd);
    }
    store_as(tile, packed);
  }
  if (sums != nullptr) store_as(sums, total);
}

// ---- The inner loop

// How far ahead of the product B is asked for: past the end of a page, where the processor's own
// prefetching stops. What counts when each column of B is read once, for a few rows of A.
constexpr int64_t kAheadBytes = 16384;

template <bool kBf16, int kRows>
[[gnu::noinline]] void multiply(const uint32_t* __restrict a, const std::byte* __restrict b,
                                int64_t units, Floats (&result)[kTileRows][kVectors]) {
  Floats sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[r][v] = Floats{};
  }
  for (int64_t unit = 0; unit < units; ++unit) {
    Words columns[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      __builtin_prefetch(b + kAheadBytes + v * kLanes * 4);
      columns[v] = load_as<Words>(b + v * kLanes * 4);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      if constexpr (!kBf16) {
        float value;
        __builtin_memcpy(&value, a + r, 4);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sums[r][v] += value * as_floats(columns[v]);
      } else {
#ifdef __AVX512BF16__
        const __m512bh value =
            reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(a[r])));
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          sums[r][v] = reinterpret_cast<Floats>(_mm512_dpbf16_ps(
              reinterpret_cast<__m512>(sums[r][v]), value, reinterpret_cast<__m512bh>(columns[v])));
        }
#else
        const Floats even = as_floats(Words{} + (a[r] << 16));
        const Floats odd = as_floats(Words{} + (a[r] & 0xffff0000u));
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          sums[r][v] += even * as_floats(columns[v] << 16);
          sums[r][v] += odd * as_floats(columns[v] & 0xffff0000u);
        }
#endif
      }
    }
    a += kTileRows;
    b += kPanel * 4;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) result[r][v] = sums[r][v];
  }
}

// A whole tile, or the first `rows` of one, rounded up.
template <bool kBf16>
inline void multiply_rows(const uint32_t* a, const std::byte* b, int64_t units, int64_t rows,
                          Floats (&sums)[kTileRows][kVectors]) {
  if constexpr (kTileRows == 14) {
    if (rows <= 4) return multiply<kBf16, 4>(a, b, units, sums);
    if (rows <= 8) return multiply<kBf16, 8>(a, b, units, sums);
    if (rows <= 12) return multiply<kBf16, 12>(a, b, units, sums);
  }
  multiply<kBf16, kTileRows>(a, b, units, sums);
}

// ---- What follows the product

struct Activated {
  Floats value, slope;
};
template <bool kQuick>
inline Activated activate(Floats h) {
  if constexpr (kQuick) {
    const Floats s = sigmoid(1.702f * h);
    return {h * s, s + 1.702f * h * s * (1.0f - s)};
  } else {
    const Normal n = normal(h);
    return {h * n.share, n.share + h * n.bell * 0.39894228f};
  }
}

struct Place {
  int64_t row, column;
  int count;  // Columns.
};

template <bool kBf16, int kKind>
inline void finish(const GemmCall& c, Floats sum, const Place& at) {
  const auto element = [&](auto* base, int64_t stride, int64_t size) {
    return base + (at.row * stride + at.column) * size;
  };
  const int count = at.count;
  if constexpr (kKind == kQuickGeluGradient || kKind == kGeluGradient) {
    const Floats h = load_some<kBf16>(element(c.hidden, c.hidden_stride, kSize<kBf16>), 0, count);
    const Activated result = activate<kKind == kQuickGeluGradient>(h);
    store_some<kBf16>(element(c.result, c.result_stride, kSize<kBf16>), 0, sum * result.slope,
                      count);
    if (c.activated != nullptr) {
      store_some<kBf16>(element(c.activated, c.activated_stride, kSize<kBf16>), 0, result.value,
                        count);
    }
    return;
  }
  if (c.bias != nullptr) sum += load_some(c.bias, at.column, count);
  if constexpr (kKind == kQuickGelu || kKind == kGelu) {
    if (c.result != nullptr) {
      store_some<kBf16>(element(c.result, c.result_stride, kSize<kBf16>), 0, sum, count);
      if constexpr (kBf16) sum = widen(narrow(sum));  // What the backward pass will see.
    }
    store_some<kBf16>(element(c.activated, c.activated_stride, kSize<kBf16>), 0,
                      activate<kKind == kQuickGelu>(sum).value, count);
    return;
  }
  if constexpr (kKind == kAddTo) {
    sum += load_some(c.residual + at.row * c.residual_stride, at.column, count);
  }
  std::byte* to = element(c.result, c.result_stride, c.result_bfloat16 ? 2 : 4);
  if constexpr (kKind == kAccumulate) sum += load_some<false>(to, 0, count);
  if constexpr (kBf16 && kKind == kStore) {
    if (c.result_bfloat16) return store_some<true>(to, 0, sum, count);
  }
  store_some<false>(to, 0, sum, count);
}

template <bool kBf16, int kKind>
void run(const GemmCall& c, std::byte* scratch) {
  auto* tiles = reinterpret_cast<uint32_t*>(scratch);
  const int64_t units = units_of<kBf16>(c.depth);
  const int64_t block = tiles_a_block<kBf16>(units) * kTileRows;
  const int64_t tile_words = units * kTileRows;
  for (int64_t begin = 0; begin < c.rows; begin += block) {
    const int64_t end = begin + block < c.rows ? begin + block : c.rows;
    for (int64_t row = begin; row < end; row += kTileRows) {
      const int64_t rows = end - row < kTileRows ? end - row : kTileRows;
      uint32_t* tile = tiles + (row - begin) / kTileRows * tile_words;
      if (!c.a_transposed) {
        pack_rows(c.a + row * c.a_stride * kSize<kBf16>, c.a_stride * kSize<kBf16>, rows, units,
                  tile);
      } else {
        alignas(64) float sums[kLanes];
        pack_transposed_rows<kBf16>(c.a + row * kSize<kBf16>, c.a_stride, c.rows - row, c.depth,
                                    tile, c.row_sums == nullptr ? nullptr : sums);
        for (int64_t r = 0; c.row_sums != nullptr && r < rows; ++r) {
          c.row_sums[row + r] = sums[r] + (kKind == kAccumulate ? c.row_sums[row + r] : 0.0f);
        }
      }
    }
    for (int64_t column = c.panel_begin * kPanel; column < c.panel_end * kPanel;
         column += kTileColumns) {
      if (column >= c.columns) break;
      const std::byte* b = c.b + column / kPanel * c.b_panel_bytes + column % kPanel * 4;
      for (int64_t row = begin; row < end; row += kTileRows) {
        Floats sums[kTileRows][kVectors];
        const int64_t rows = end - row < kTileRows ? end - row : kTileRows;
        multiply_rows<kBf16>(tiles + (row - begin) / kTileRows * tile_words, b, units, rows, sums);
        const bool whole = column + kTileColumns <= c.columns;
        for (int64_t r = 0; r < rows; ++r) {
          for (int v = 0; v < kVectors; ++v) {
            const int64_t left = c.columns - column - v * kLanes;
            if (left <= 0) break;
            const int count = whole || left >= kLanes ? kLanes : static_cast<int>(left);
            finish<kBf16, kKind>(c, sums[r][v], {row + r, column + v * kLanes, count});
          }
        }
      }
    }
  }
}

template <bool kBf16>
void run_any(const GemmCall& c, std::byte* scratch) {
  switch (c.epilogue) {
    case kStore: return run<kBf16, kStore>(c, scratch);
    case kAccumulate: return run<kBf16, kAccumulate>(c, scratch);
    case kAddTo: return run<kBf16, kAddTo>(c, scratch);
    case kQuickGelu: return run<kBf16, kQuickGelu>(c, scratch);
    case kGelu: return run<kBf16, kGelu>(c, scratch);
    case kQuickGeluGradient: return run<kBf16, kQuickGeluGradient>(c, scratch);
    case kGeluGradient: return run<kBf16, kGeluGradient>(c, scratch);
    default: __builtin_trap();
  }
}

void gemm(const GemmCall& c, std::byte* scratch) {
  if (c.bfloat16) {
    run_any<true>(c, scratch);
  } else {
    run_any<false>(c, scratch);
  }
}

// ---- B: panels of [units][32] units

template <bool kBf16, bool kSourceBf16>
void pack_panel(const PackCall& c) {
  const int64_t step = c.stride * kSize<kSourceBf16>;
  const int64_t units = units_of<kBf16>(c.depth);
  for (int64_t unit = 0; unit < units; ++unit) {
    const int64_t k = kBf16 ? 2 * unit : unit;
    const std::byte* row = c.source + k * step;
    std::byte* to = c.panel + unit * kPanel * 4;
    for (int64_t n = 0; n < kPanel; n += kLanes) {
      const int64_t left = c.columns - n;
      const int count = static_cast<int>(left < 0 ? 0 : left > kLanes ? kLanes : left);
      const auto values = [&](const std::byte* from) {
        return count == 0 ? Floats{} : load_some<kSourceBf16>(from, n, count);
      };
      if constexpr (!kBf16) {
        store_as(to + n * 4, values(row));
      } else {
        const bool odd = k + 1 < c.depth;
        store_as(to + n * 4, pair_of(values(row), odd ? values(row + step) : Floats{}));
      }
    }
  }
}

// From B transposed: source[n][k], float32.
template <bool kBf16>
void pack_panel_transposed(const PackCall& c) {
  const int64_t units = units_of<kBf16>(c.depth);
  const auto word = [&](int64_t n, int64_t unit) -> uint32_t {
    if (n >= c.columns) return 0;
    const std::byte* row = c.source + n * c.stride * 4;
    if constexpr (!kBf16) {
      return load_as<uint32_t>(row + unit * 4);
    } else {
      const int64_t k = 2 * unit;
      const auto at = [&](int64_t i) { return i < c.depth ? load_as<float>(row + i * 4) : 0.0f; };
      return pair_of(splat(at(k)), splat(at(k + 1)))[0];
    }
  };
  for (int64_t first = 0; first < kPanel; first += kLanes) {
    int64_t unit = 0;
    for (; unit + kLanes <= (kBf16 ? c.depth / 2 : c.depth); unit += kLanes) {
      Words square[kLanes] = {};
      for (int64_t n = 0; n < kLanes && first + n < c.columns; ++n) {
        const std::byte* row = c.source + (first + n) * c.stride * 4;
        if constexpr (!kBf16) {
          square[n] = load_as<Words>(row + unit * 4);
        } else {
          const Halves low = narrow(load_as<Floats>(row + unit * 8));
          const Halves high = narrow(load_as<Floats>(row + unit * 8 + kLanes * 4));
          __builtin_memcpy(&square[n], &low, sizeof(low));
          __builtin_memcpy(reinterpret_cast<std::byte*>(&square[n]) + sizeof(low), &high,
                           sizeof(high));
        }
      }
      transpose(square);
      for (int i = 0; i < kLanes; ++i) {
        store_as(c.panel + ((unit + i) * kPanel + first) * 4, square[i]);
      }
    }
    for (; unit < units; ++unit) {
      for (int64_t n = 0; n < kLanes; ++n) {
        const uint32_t value = word(first + n, unit);
        __builtin_memcpy(c.panel + (unit * kPanel + first + n) * 4, &value, 4);
      }
    }
  }
}

void pack(const PackCall& c) {
  if (c.transposed) {
    return c.bfloat16 ? pack_panel_transposed<true>(c) : pack_panel_transposed<false>(c);
  }
  if (c.source_bfloat16) return pack_panel<true, true>(c);
  return c.bfloat16 ? pack_panel<true, false>(c) : pack_panel<false, false>(c);
}

}  // namespace
}  // namespace paraclip::kernels
