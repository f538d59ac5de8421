// Vectors of the instruction set that the including file is compiled for. Everything is in an
// unnamed namespace: the same names mean different code in each of the kernels' files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace paraclip::kernels {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

// To whole vectors.
inline int64_t padded(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

using Floats = float __attribute__((vector_size(kLanes * 4)));
using Words = uint32_t __attribute__((vector_size(kLanes * 4)));
using Signed = int32_t __attribute__((vector_size(kLanes * 4)));
using Halves = uint16_t __attribute__((vector_size(kLanes * 2)));

inline Floats splat(float value) { return value - Floats{}; }
inline Words as_words(Floats x) { return reinterpret_cast<Words>(x); }
inline Floats as_floats(Words x) { return reinterpret_cast<Floats>(x); }

template <class Vector>
inline Vector load_as(const void* from) {
  Vector result;
  __builtin_memcpy(&result, from, sizeof(result));
  return result;
}
template <class Vector>
inline void store_as(void* to, Vector value) {
  __builtin_memcpy(to, &value, sizeof(value));
}

inline Floats select(Signed mask, Floats yes, Floats no) {
  return as_floats((as_words(yes) & reinterpret_cast<Words>(mask)) |
                   (as_words(no) & ~reinterpret_cast<Words>(mask)));
}
inline Floats larger(Floats a, Floats b) { return select(a > b, a, b); }
inline Floats smaller(Floats a, Floats b) { return select(a < b, a, b); }
inline Floats magnitude(Floats x) { return as_floats(as_words(x) & 0x7fffffffu); }

inline float reciprocal_root(float x) { return 1.0f / __builtin_sqrtf(x); }

// Lanes whose bit is clear from `a`, the others from `b`.
template <int kBit, size_t... kLane>
inline Floats blend(Floats a, Floats b, std::index_sequence<kLane...>) {
  return __builtin_shufflevector(a, b, ((kLane & kBit) == 0 ? int(kLane) : int(kLanes + kLane))...);
}
// The same with either's lanes moved by the bit: up in `a`, down in `b`.
template <int kBit, size_t... kLane>
inline Floats cross(Floats a, Floats b, std::index_sequence<kLane...>) {
  return __builtin_shufflevector(
      a, b, int((kLane & kBit) == 0 ? kLane + kBit : kLanes + kLane - kBit)...);
}
constexpr auto kEachLane = std::make_index_sequence<kLanes>();

template <int kBit = kLanes / 2>
inline float sum_of(Floats x) {
  if constexpr (kBit == 0) {
    return x[0];
  } else {
    return sum_of<kBit / 2>(x + cross<kBit>(x, x, kEachLane));
  }
}
template <int kBit = kLanes / 2>
inline float largest_of(Floats x) {
  if constexpr (kBit == 0) {
    return x[0];
  } else {
    return largest_of<kBit / 2>(larger(x, cross<kBit>(x, x, kEachLane)));
  }
}

// The sum of each of kLanes vectors, as a vector.
template <int kBit = 1>
inline Floats sums_of(Floats (&parts)[kLanes]) {
  if constexpr (kBit == kLanes) {
    return parts[0];
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i += 2 * kBit) {
      parts[i] = blend<kBit>(parts[i], parts[i + kBit], kEachLane) +
                 cross<kBit>(parts[i], parts[i + kBit], kEachLane);
    }
    return sums_of<2 * kBit>(parts);
  }
}

inline Signed lane_numbers() {
  Signed result;
  for (int i = 0; i < kLanes; ++i) result[i] = i;
  return result;
}

// bfloat16 is the upper half of a float32; rounding is to nearest, ties to even, NaN stays NaN.
inline Floats widen(Halves x) { return as_floats(__builtin_convertvector(x, Words) << 16); }
inline Words rounded_words(Floats x) {
  const Words bits = as_words(x);
  const Words rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  const Words quiet = bits | 0x400000u;
  const Words nan = reinterpret_cast<Words>(x != x);
  return ((rounded & ~nan) | (quiet & nan)) >> 16;
}
inline Halves narrow(Floats x) {
#ifdef __AVX512BF16__
  return reinterpret_cast<Halves>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(x)));
#else
  return __builtin_convertvector(rounded_words(x), Halves);
#endif
}

// Elements of either type in memory, as float32.
template <bool kBf16>
inline Floats load(const void* from) {
  if constexpr (kBf16) {
    return widen(load_as<Halves>(from));
  } else {
    return load_as<Floats>(from);
  }
}
template <bool kBf16>
inline void store(void* to, Floats x) {
  if constexpr (kBf16) {
    store_as(to, narrow(x));
  } else {
    store_as(to, x);
  }
}
template <bool kBf16>
constexpr int64_t kSize = kBf16 ? 2 : 4;

// The first `count` < kLanes elements; the others are 0, or are not written.
template <bool kBf16>
inline Floats load_part(const void* from, int64_t count) {
  alignas(64) std::byte buffer[kLanes * 4] = {};
  __builtin_memcpy(buffer, from, static_cast<size_t>(count * kSize<kBf16>));
  return load<kBf16>(buffer);
}
template <bool kBf16>
inline void store_part(void* to, Floats x, int64_t count) {
  alignas(64) std::byte buffer[kLanes * 4];
  store<kBf16>(buffer, x);
  __builtin_memcpy(to, buffer, static_cast<size_t>(count * kSize<kBf16>));
}

// Calls body(offset, full vector?, count) over [0, width).
template <class Body>
inline void for_vectors(int64_t width, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) body(i, kLanes);
  if (i < width) body(i, static_cast<int>(width - i));
}
template <bool kBf16>
inline Floats load_some(const std::byte* from, int64_t index, int count) {
  const std::byte* at = from + index * kSize<kBf16>;
  return count == kLanes ? load<kBf16>(at) : load_part<kBf16>(at, count);
}
template <bool kBf16>
inline void store_some(std::byte* to, int64_t index, Floats x, int count) {
  std::byte* at = to + index * kSize<kBf16>;
  if (count == kLanes) {
    store<kBf16>(at, x);
  } else {
    store_part<kBf16>(at, x, count);
  }
}
inline Floats load_some(const float* from, int64_t index, int count) {
  return load_some<false>(reinterpret_cast<const std::byte*>(from), index, count);
}
inline void store_some(float* to, int64_t index, Floats x, int count) {
  store_some<false>(reinterpret_cast<std::byte*>(to), index, x, count);
}

// e^x to 1.5e-7 of it; 0 below -87.3, and finite above 88.
inline Floats exponential(Floats x) {
  const Floats clamped = smaller(larger(x, splat(-87.3f)), splat(88.0f));
  const Floats scaled = clamped * 1.44269504088896341f;
  const Floats magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer.
  const Floats shifted = scaled + magic;
  const Floats n = shifted - magic;
  const Floats r = (clamped - n * 0.693145751953125f) - n * 1.42860682030941723e-6f;
  Floats p = splat(1.3751381e-3f);
  p = p * r + 8.3689234e-3f;
  p = p * r + 4.16695342e-2f;
  p = p * r + 1.66665184e-1f;
  p = p * r + 4.99999886e-1f;
  p = p * (r * r) + r + 1.0f;
  // n is in the lower bits of `shifted`: into the exponent with it.
  const Floats result = as_floats(as_words(p) + (as_words(shifted) << 23));
  const Floats bounded = select(x < -87.3f, Floats{}, result);
  return select(x != x, x, bounded);
}

// 1 / (1 + e^-x).
inline Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }

// Phi(x), the share of the normal distribution below x, and e^(-x^2 / 2) beside it. With
// t = 1 / (1 + 0.4 |x| / sqrt 2), erfc(|x| / sqrt 2) e^(x^2 / 2) is a polynomial of t: a fit by
// weighted least squares, to 5.8e-8 of the value for |x| < 13.
struct Normal {
  Floats share, bell;
};
inline Normal normal(Floats x) {
  const Floats t = 1.0f / (1.0f + 0.28284271f * magnitude(x));
  Floats q = splat(0.040270606256155625f);
  q = q * t - 0.13548604338603673f;
  q = q * t + 0.07387263774650552f;
  q = q * t + 0.09969524039125463f;
  q = q * t + 0.0715315940733081f;
  q = q * t + 0.1969533209424874f;
  q = q * t + 0.20096100459178895f;
  q = q * t + 0.2265753800612762f;
  q = q * t + 0.22562631691882323f;
  const Floats bell = exponential(-0.5f * x * x);
  const Floats tail = 0.5f * q * t * bell;
  return {select(x < 0.0f, tail, 1.0f - tail), bell};
}

// The lanes of `low` whose bit is clear beside those of `high` shifted up, and the reverse.
template <int kBit, size_t... kLane>
inline void exchange(Words& low, Words& high, std::index_sequence<kLane...>) {
  const Words a = low, b = high;
  low = __builtin_shufflevector(a, b,
                                ((kLane & kBit) == 0 ? int(kLane) : int(kLanes + kLane) - kBit)...);
  high = __builtin_shufflevector(
      a, b, ((kLane & kBit) == 0 ? int(kLane) + kBit : int(kLanes + kLane))...);
}
template <int kBit>
inline void exchange_all(Words (&rows)[kLanes]) {
  if constexpr (kBit < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if ((i & kBit) == 0) {
        exchange<kBit>(rows[i], rows[i | kBit], std::make_index_sequence<kLanes>());
      }
    }
    exchange_all<2 * kBit>(rows);
  }
}

// A square of words, rows for columns.
inline void transpose(Words (&rows)[kLanes]) { exchange_all<1>(rows); }

}  // namespace
}  // namespace paraclip::kernels
