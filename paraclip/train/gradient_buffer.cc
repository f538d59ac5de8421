#include "paraclip/train/gradient_buffer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

namespace paraclip {
namespace {

constexpr int64_t kLine = 16;      // float32 numbers in a cache line.
constexpr int64_t kBlock = 16384;  // Numbers that are summed together.
constexpr int64_t kLanes = 16;     // Partial sums of a block, so that it can be vectorised.

int64_t padded(int64_t count) { return (count + kLine - 1) / kLine * kLine; }

// `count` is a multiple of kLine, and so of kLanes.
double sum_of_squares(const float* values, int64_t count) {
  static_assert(kLine % kLanes == 0);
  std::array<double, kLanes> lanes{};
  for (int64_t i = 0; i < count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(values[i + lane]);
      lanes[static_cast<size_t>(lane)] += value * value;
    }
  }
  return std::accumulate(lanes.begin(), lanes.end(), 0.0);
}

}  // namespace

GradientBuffer::GradientBuffer(const std::vector<NamedTensor>& parameters) {
  int64_t total = 0;
  for (const auto& [name, parameter] : parameters) total += padded(parameter.numel());
  values_ = at::zeros({total}, at::kFloat);
  int64_t begin = 0;
  for (const auto& [name, parameter] : parameters) {
    at::Tensor(parameter).mutable_grad() =
        values_.narrow(0, begin, parameter.numel()).view(parameter.sizes());
    begin += padded(parameter.numel());
  }
}

void GradientBuffer::zero() {
  float* values = values_.mutable_data_ptr<float>();
  at::parallel_for(0, values_.numel(), kBlock, [&](int64_t begin, int64_t end) {
    std::memset(values + begin, 0, static_cast<size_t>(end - begin) * sizeof(float));
  });
}

std::span<float> GradientBuffer::values() {
  return {values_.mutable_data_ptr<float>(), static_cast<size_t>(values_.numel())};
}

double GradientBuffer::norm() const {
  const float* values = values_.const_data_ptr<float>();
  const int64_t count = values_.numel();
  std::vector<double> sums(static_cast<size_t>((count + kBlock - 1) / kBlock));
  at::parallel_for(0, static_cast<int64_t>(sums.size()), /*grain_size=*/1,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t block = begin; block < end; ++block) {
                       const int64_t first = block * kBlock;
                       sums[static_cast<size_t>(block)] =
                           sum_of_squares(values + first, std::min(kBlock, count - first));
                     }
                   });
  return std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
}

}  // namespace paraclip
