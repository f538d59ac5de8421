#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace paraclip {

/// Pixels of one byte a channel somewhere in memory.
struct PixelView {
  const uint8_t* row(int y) const { return data + static_cast<size_t>(y) * stride; }

  const uint8_t* data = nullptr;
  size_t stride = 0;  ///< Bytes from one row to the next.
  int width = 0;
  int height = 0;
};

/// Part of one axis of a resized picture: `count` of its `out` places from `first` on.
struct Axis {
  bool operator==(const Axis&) const = default;

  int in = 0;
  int out = 0;
  int first = 0;
  int count = 0;
};

/// Whether Pillow 13 takes the vertical pass first, which shows where a pass is rounded: where the
/// height shrinks by more than twice what the width does.
bool starts_vertically(const Axis& horizontal, const Axis& vertical);

/// Bicubic weights of one axis, a = -0.5, widened where the picture shrinks (Pillow's Resample.c).
struct RealWeights {
  explicit RealWeights(const Axis& axis);

  int taps = 0;                ///< Weights a place.
  std::vector<int> begin;      ///< `[count]`, first source place.
  std::vector<int> length;     ///< `[count]`, at most `taps`; the weights after are zero.
  std::vector<double> values;  ///< `[count, taps]`.
};

/// The same with 22 fraction bits, in two halves that fit what SIMD multiplies:
/// weight = high * 4096 + low, 0 <= low < 4096.
struct FixedWeights {
  FixedWeights() = default;
  explicit FixedWeights(const Axis& its_axis);

  Axis axis;
  int taps = 0;  ///< A multiple of four.
  std::vector<int> begin, length;
  std::vector<int16_t> high, low;
};

/// The two inner loops, in the instructions of one kind of processor. All give the same bytes.
struct ResampleKernels {
  /// Rows taken in one call of `horizontal`.
  static constexpr int kRows = 4;
  /// Bytes that `horizontal` may read after the last weight's pixel.
  static constexpr size_t kOverread = 16;

  /// Writes `weights.axis.count` pixels of each row, and up to 3 bytes after them.
  void (*horizontal)(const uint8_t* const* rows, int channels, const FixedWeights& weights,
                     uint8_t* const* out);
  /// Writes place `place` of the axis: `bytes` bytes, of rows that lie `stride` apart.
  void (*vertical)(const uint8_t* rows, size_t stride, size_t bytes, const FixedWeights& weights,
                   int place, uint8_t* out);
};

const ResampleKernels& portable_kernels();
/// The fastest that this processor runs.
const ResampleKernels& best_kernels();

/// Resizes pixels of one byte a channel. Keeps its buffers and the weights of the last call.
class Resampler {
 public:
  explicit Resampler(const ResampleKernels& kernels = best_kernels()) : kernels_(kernels) {}

  /// Writes `[vertical.count, horizontal.count, channels]` bytes to `out`.
  void operator()(const PixelView& source, int channels, const Axis& horizontal,
                  const Axis& vertical, uint8_t* out);

 private:
  /// Rows `first` to `last` of the source, resized horizontally, in `narrowed_`.
  PixelView narrow(const PixelView& source, int channels, int first, int last);
  /// `bytes` bytes of every row, resized vertically, to rows at `out` that lie `stride` apart. Row
  /// 0 of the source is row `first` of the axis.
  void shorten(const PixelView& source, int first, size_t bytes, uint8_t* out, size_t stride);

  const ResampleKernels& kernels_;
  FixedWeights horizontal_, vertical_;
  std::vector<uint8_t> narrowed_, shortened_, rows_;
};

}  // namespace paraclip
