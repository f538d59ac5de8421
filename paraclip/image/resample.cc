#include "paraclip/image/resample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace paraclip {

namespace {

double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

size_t round_up(size_t value, size_t step) { return (value + step - 1) / step * step; }

}  // namespace

bool starts_vertically(const Axis& horizontal, const Axis& vertical) {
  const int64_t shorter = int64_t{vertical.in} - vertical.out;
  return shorter > 0 && shorter > 2 * (int64_t{horizontal.in} - horizontal.out);
}

RealWeights::RealWeights(const Axis& axis) {
  const double scale = static_cast<double>(axis.in) / axis.out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = 2.0 * filter_scale;
  const double inverse = 1.0 / filter_scale;
  taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  begin.resize(static_cast<size_t>(axis.count));
  length.resize(begin.size());
  values.resize(begin.size() * static_cast<size_t>(taps));
  for (size_t place = 0; place < begin.size(); ++place) {
    const double center = (axis.first + static_cast<int>(place) + 0.5) * scale;
    begin[place] = std::max(static_cast<int>(center - support + 0.5), 0);
    length[place] = std::min(static_cast<int>(center + support + 0.5), axis.in) - begin[place];
    double* weights = values.data() + place * static_cast<size_t>(taps);
    double sum = 0;
    for (int i = 0; i < length[place]; ++i) {
      weights[i] = bicubic((i + begin[place] - center + 0.5) * inverse);
      sum += weights[i];
    }
    for (int i = 0; i < length[place] && sum != 0; ++i) weights[i] /= sum;
  }
}

FixedWeights::FixedWeights(const Axis& its_axis) : axis(its_axis) {
  RealWeights real(axis);
  taps = (real.taps + 3) / 4 * 4;
  begin = std::move(real.begin);
  length = std::move(real.length);
  high.resize(begin.size() * static_cast<size_t>(taps));
  low.resize(high.size());
  for (size_t place = 0; place < begin.size(); ++place) {
    const double* values = real.values.data() + place * static_cast<size_t>(real.taps);
    const size_t row = place * static_cast<size_t>(taps);
    for (int i = 0; i < length[place]; ++i) {
      const double scaled = values[i] * (1 << 22);
      const auto fixed = static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
      high[row + static_cast<size_t>(i)] = static_cast<int16_t>(fixed >> 12);
      low[row + static_cast<size_t>(i)] = static_cast<int16_t>(fixed & 4095);
    }
  }
}

PixelView Resampler::narrow(const PixelView& source, int channels, int first, int last) {
  constexpr int kRows = ResampleKernels::kRows;
  const size_t pixel = static_cast<size_t>(channels);
  const auto left = static_cast<size_t>(horizontal_.begin.front());
  const auto right = static_cast<size_t>(horizontal_.begin.back() + horizontal_.length.back());

  PixelView out;
  out.width = horizontal_.axis.count;
  out.height = last - first;
  out.stride = round_up(static_cast<size_t>(out.width) * pixel + 3, 32);
  narrowed_.resize(out.stride * round_up(static_cast<size_t>(out.height), kRows));
  out.data = narrowed_.data();

  // The kernel reads past a row's end, so it gets a copy of each row, with room after it.
  const size_t row_room = round_up(
      (right + static_cast<size_t>(horizontal_.taps)) * pixel + ResampleKernels::kOverread, 32);
  rows_.resize(row_room * kRows);
  for (int y = 0; y < out.height; y += kRows) {
    std::array<const uint8_t*, kRows> from;
    std::array<uint8_t*, kRows> to;
    for (int i = 0; i < kRows; ++i) {
      const auto slot = static_cast<size_t>(i);
      uint8_t* copy = rows_.data() + slot * row_room;
      const uint8_t* row = source.row(std::min(first + y + i, last - 1));
      std::memcpy(copy + left * pixel, row + left * pixel, (right - left) * pixel);
      from[slot] = copy;
      to[slot] = narrowed_.data() + static_cast<size_t>(y + i) * out.stride;
    }
    kernels_.horizontal(from.data(), channels, horizontal_, to.data());
  }
  return out;
}

void Resampler::shorten(const PixelView& source, int first, size_t bytes, uint8_t* out,
                        size_t stride) {
  for (int place = 0; place < vertical_.axis.count; ++place) {
    const int begin = vertical_.begin[static_cast<size_t>(place)] - first;
    kernels_.vertical(source.row(begin), source.stride, bytes, vertical_, place,
                      out + static_cast<size_t>(place) * stride);
  }
}

void Resampler::operator()(const PixelView& source, int channels, const Axis& horizontal,
                           const Axis& vertical, uint8_t* out) {
  const auto pixel = static_cast<size_t>(channels);
  const size_t row_bytes = static_cast<size_t>(horizontal.count) * pixel;
  const bool narrows = horizontal.in != horizontal.out;
  const bool shortens = vertical.in != vertical.out;
  if (narrows && horizontal_.axis != horizontal) horizontal_ = FixedWeights(horizontal);
  if (shortens && vertical_.axis != vertical) vertical_ = FixedWeights(vertical);

  if (shortens && (!narrows || !starts_vertically(horizontal, vertical))) {
    // Only the rows that the window's rows depend on.
    const int first = vertical_.begin.front();
    PixelView rows = source;
    if (narrows) {
      rows = narrow(source, channels, first, vertical_.begin.back() + vertical_.length.back());
    } else {
      rows.data = source.row(first) + static_cast<size_t>(horizontal.first) * pixel;
    }
    shorten(rows, first, row_bytes, out, row_bytes);
    return;
  }
  PixelView rows = source;
  rows.data = source.row(vertical.first);
  if (shortens) {
    rows.stride = static_cast<size_t>(source.width) * pixel;
    shortened_.resize(rows.stride * static_cast<size_t>(vertical.count));
    shorten(source, /*first=*/0, rows.stride, shortened_.data(), rows.stride);
    rows.data = shortened_.data();
  }
  if (narrows) rows = narrow(rows, channels, /*first=*/0, vertical.count);
  for (int y = 0; y < vertical.count; ++y) {
    std::memcpy(out + static_cast<size_t>(y) * row_bytes, rows.row(y), row_bytes);
  }
}

}  // namespace paraclip
