#include "paraclip/image/resample.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace paraclip {

namespace {

constexpr int kFractionBits = 22;
constexpr int kHalf = 1 << (kFractionBits - 1);

uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

int32_t weight(int16_t high, int16_t low) { return high * 4096 + low; }

void horizontal_portable(const uint8_t* const* rows, int channels, const FixedWeights& weights,
                         uint8_t* const* out) {
  const auto taps = static_cast<size_t>(weights.taps);
  for (size_t x = 0; x < weights.begin.size(); ++x) {
    const int16_t* high = weights.high.data() + x * taps;
    const int16_t* low = weights.low.data() + x * taps;
    for (int i = 0; i < ResampleKernels::kRows; ++i) {
      const uint8_t* pixel = rows[i] + static_cast<ptrdiff_t>(weights.begin[x]) * channels;
      int32_t sums[4] = {kHalf, kHalf, kHalf, kHalf};
      for (int t = 0; t < weights.length[x]; ++t, pixel += channels) {
        const int32_t factor = weight(high[t], low[t]);
        for (int c = 0; c < channels; ++c) sums[c] += pixel[c] * factor;
      }
      uint8_t* to = out[i] + x * static_cast<size_t>(channels);
      for (int c = 0; c < channels; ++c) to[c] = to_byte(sums[c]);
    }
  }
}

void vertical_portable(const uint8_t* rows, size_t stride, size_t bytes,
                       const FixedWeights& weights, int place, uint8_t* out) {
  constexpr size_t kBlock = 64;
  const size_t row = static_cast<size_t>(place) * static_cast<size_t>(weights.taps);
  const auto length = static_cast<size_t>(weights.length[static_cast<size_t>(place)]);
  for (size_t x = 0; x < bytes; x += kBlock) {
    const size_t count = std::min(kBlock, bytes - x);
    int32_t sums[kBlock];
    std::fill(sums, sums + kBlock, kHalf);
    for (size_t t = 0; t < length; ++t) {
      const uint8_t* from = rows + t * stride + x;
      const int32_t factor = weight(weights.high[row + t], weights.low[row + t]);
      for (size_t i = 0; i < count; ++i) sums[i] += from[i] * factor;
    }
    for (size_t i = 0; i < count; ++i) out[x + i] = to_byte(sums[i]);
  }
}

#if defined(__x86_64__)

/// Picks four pixels of `channels` bytes from 16 bytes: a 16-bit pair for each channel, pixels 0
/// and 1 in the lower half, 2 and 3 in the upper.
__attribute__((target("avx2"))) __m256i pair_mask(int channels) {
  alignas(32) uint8_t mask[32];
  std::memset(mask, 0x80, sizeof(mask));  // Writes a zero.
  for (int tap = 0; tap < 4; ++tap) {
    for (int c = 0; c < channels; ++c) {
      mask[tap / 2 * 16 + c * 4 + tap % 2 * 2] = static_cast<uint8_t>(tap * channels + c);
    }
  }
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(mask));
}

/// Four weights as the pairs that pair_mask's pixels are multiplied with.
__attribute__((target("avx2"))) inline __m256i weight_pairs(const int16_t* weights) {
  const __m128i four = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(weights));
  return _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(four),
                                     _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

__attribute__((target("avx2"))) inline __m256i join(__m256i high, __m256i low) {
  return _mm256_add_epi32(_mm256_slli_epi32(high, 12), low);
}

__attribute__((target("avx2"))) void horizontal_avx2(const uint8_t* const* rows, int channels,
                                                     const FixedWeights& weights,
                                                     uint8_t* const* out) {
  constexpr int kRows = ResampleKernels::kRows;
  const __m256i mask = pair_mask(channels);
  const auto taps = static_cast<size_t>(weights.taps);
  for (size_t x = 0; x < weights.begin.size(); ++x) {
    const int16_t* high = weights.high.data() + x * taps;
    const int16_t* low = weights.low.data() + x * taps;
    const ptrdiff_t start = static_cast<ptrdiff_t>(weights.begin[x]) * channels;
    __m256i high_sums[kRows] = {};
    __m256i low_sums[kRows] = {};
    for (int t = 0; t < weights.length[x]; t += 4) {
      const __m256i high_pairs = weight_pairs(high + t);
      const __m256i low_pairs = weight_pairs(low + t);
      for (int i = 0; i < kRows; ++i) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(
            rows[i] + start + static_cast<ptrdiff_t>(t) * channels));
        const __m256i pairs = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), mask);
        high_sums[i] = _mm256_add_epi32(high_sums[i], _mm256_madd_epi16(pairs, high_pairs));
        low_sums[i] = _mm256_add_epi32(low_sums[i], _mm256_madd_epi16(pairs, low_pairs));
      }
    }
    for (int i = 0; i < kRows; ++i) {
      const __m256i both = join(high_sums[i], low_sums[i]);
      __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
      sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kHalf)), kFractionBits);
      sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
      const int pixel = _mm_cvtsi128_si32(sum);
      std::memcpy(out[i] + x * static_cast<size_t>(channels), &pixel, sizeof(pixel));
    }
  }
}

/// 32 columns: out[i] = sum over taps of row[t][i] * weight[t].
__attribute__((target("avx2"))) inline void vertical_block_avx2(const uint8_t* rows, size_t stride,
                                                                size_t length, const int16_t* high,
                                                                const int16_t* low, uint8_t* out) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i high_sums[4] = {};
  __m256i low_sums[4] = {};
  for (size_t t = 0; t < length; t += 2) {
    // Past the last row comes a weight of zero, with which any row will do.
    const uint8_t* even = rows + t * stride;
    const uint8_t* odd = t + 1 < length ? even + stride : even;
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(even));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(odd));
    const __m256i first = _mm256_unpacklo_epi8(a, b);
    const __m256i second = _mm256_unpackhi_epi8(a, b);
    const __m256i pairs[4] = {_mm256_unpacklo_epi8(first, zero), _mm256_unpackhi_epi8(first, zero),
                              _mm256_unpacklo_epi8(second, zero),
                              _mm256_unpackhi_epi8(second, zero)};
    int32_t high_pair, low_pair;
    std::memcpy(&high_pair, high + t, sizeof(high_pair));
    std::memcpy(&low_pair, low + t, sizeof(low_pair));
    for (int i = 0; i < 4; ++i) {
      high_sums[i] =
          _mm256_add_epi32(high_sums[i], _mm256_madd_epi16(pairs[i], _mm256_set1_epi32(high_pair)));
      low_sums[i] =
          _mm256_add_epi32(low_sums[i], _mm256_madd_epi16(pairs[i], _mm256_set1_epi32(low_pair)));
    }
  }
  __m256i sums[4];
  for (int i = 0; i < 4; ++i) {
    const __m256i sum = _mm256_add_epi32(join(high_sums[i], low_sums[i]), _mm256_set1_epi32(kHalf));
    sums[i] = _mm256_srai_epi32(sum, kFractionBits);
  }
  const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(sums[0], sums[1]),
                                            _mm256_packs_epi32(sums[2], sums[3]));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
}

__attribute__((target("avx2"))) void vertical_avx2(const uint8_t* rows, size_t stride, size_t bytes,
                                                   const FixedWeights& weights, int place,
                                                   uint8_t* out) {
  constexpr size_t kBlock = 32;
  if (bytes < kBlock) return vertical_portable(rows, stride, bytes, weights, place, out);
  const size_t row = static_cast<size_t>(place) * static_cast<size_t>(weights.taps);
  const auto length = static_cast<size_t>(weights.length[static_cast<size_t>(place)]);
  for (size_t x = 0; x < bytes; x += kBlock) {
    const size_t start = std::min(x, bytes - kBlock);  // The last block overlaps the one before.
    vertical_block_avx2(rows + start, stride, length, weights.high.data() + row,
                        weights.low.data() + row, out + start);
  }
}

constexpr ResampleKernels kAvx2 = {horizontal_avx2, vertical_avx2};

#endif

constexpr ResampleKernels kPortable = {horizontal_portable, vertical_portable};

}  // namespace

const ResampleKernels& portable_kernels() { return kPortable; }

const ResampleKernels& best_kernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return kAvx2;
#endif
  return kPortable;
}

}  // namespace paraclip
