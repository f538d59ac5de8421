#include "paraclip/train/optimizer.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>

namespace paraclip {
namespace {

constexpr int64_t kBlock = 16384;  // Elements of a parameter.

// The numbers of a step that are the same for all elements of a parameter.
struct Coefficients {
  float gradient_factor;
  float beta1, complement1, beta2, complement2;  // Of the moments.
  float shrink;                                  // 1 - learning rate * weight decay.
  float step_size;                               // Learning rate over the first bias correction.
  float root_correction;                         // Root of the second bias correction.
  float eps;
};

struct Pointers {
  float* value;
  const float* gradient;
  float *first, *second;
};

// Compiled without errno for sqrt (CMakeLists.txt), so that it is vectorised.
void update(const Pointers& pointers, int64_t count, const Coefficients& c) {
  float* __restrict__ value = pointers.value;
  const float* __restrict__ gradient = pointers.gradient;
  float* __restrict__ first = pointers.first;
  float* __restrict__ second = pointers.second;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * c.gradient_factor;
    const float m = c.beta1 * first[i] + c.complement1 * g;
    const float v = c.beta2 * second[i] + c.complement2 * g * g;
    first[i] = m;
    second[i] = v;
    value[i] = c.shrink * value[i] - c.step_size * m / (std::sqrt(v) / c.root_correction + c.eps);
  }
}

}  // namespace

AdamW::AdamW(std::vector<NamedTensor> parameters, const AdamWOptions& options,
             std::vector<double> rate_factors)
    : parameters_(std::move(parameters)),
      rate_factors_(std::move(rate_factors)),
      options_(options) {
  if (rate_factors_.empty()) rate_factors_.assign(parameters_.size(), 1.0);
  assert(rate_factors_.size() == parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& parameter = parameters_[i].second;
    assert(parameter.is_contiguous() && parameter.scalar_type() == at::kFloat);
    first_moments_.push_back(at::zeros_like(parameter));
    second_moments_.push_back(at::zeros_like(parameter));
    for (int64_t begin = 0; begin < parameter.numel(); begin += kBlock) {
      blocks_.push_back({i, begin, std::min(kBlock, parameter.numel() - begin)});
    }
  }
}

void AdamW::step(double learning_rate, double gradient_factor) {
  ++steps_;
  const double correction1 = 1 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1 - std::pow(options_.beta2, static_cast<double>(steps_));
  const auto single = [](double value) { return static_cast<float>(value); };
  std::vector<Coefficients> coefficients;
  std::vector<Pointers> pointers;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& parameter = parameters_[i].second;
    const double rate = learning_rate * rate_factors_[i];
    const double decay = parameter.dim() >= 2 ? options_.weight_decay : 0.0;
    coefficients.push_back(
        {single(gradient_factor), single(options_.beta1), single(1 - options_.beta1),
         single(options_.beta2), single(1 - options_.beta2), single(1 - rate * decay),
         single(rate / correction1), single(std::sqrt(correction2)), single(options_.eps)});
    const at::Tensor& gradient = parameter.grad();
    pointers.push_back({static_cast<float*>(parameter.data_ptr()),
                        gradient.defined() ? gradient.const_data_ptr<float>() : nullptr,
                        first_moments_[i].mutable_data_ptr<float>(),
                        second_moments_[i].mutable_data_ptr<float>()});
    if (gradient.defined()) parameter.unsafeGetTensorImpl()->bump_version();
  }
  at::parallel_for(0, static_cast<int64_t>(blocks_.size()), /*grain_size=*/1,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t index = begin; index < end; ++index) {
                       const Block& block = blocks_[static_cast<size_t>(index)];
                       const Pointers& all = pointers[block.parameter];
                       if (all.gradient == nullptr) continue;
                       update({all.value + block.begin, all.gradient + block.begin,
                               all.first + block.begin, all.second + block.begin},
                              block.count, coefficients[block.parameter]);
                     }
                   });
}

std::vector<NamedTensor> AdamW::state() const {
  std::vector<NamedTensor> state;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state.emplace_back("exp_avg." + parameters_[i].first, first_moments_[i]);
    state.emplace_back("exp_avg_sq." + parameters_[i].first, second_moments_[i]);
  }
  return state;
}

void AdamW::load_state(int64_t steps, const std::vector<NamedTensor>& saved) {
  restore_tensors(state(), saved);
  steps_ = steps;
}

void restore_tensors(const std::vector<NamedTensor>& targets,
                     const std::vector<NamedTensor>& state) {
  const at::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> by_name(state.begin(), state.end());
  for (const auto& [name, target] : targets) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second.sizes() != target.sizes()) {
      fail(ErrorKind::kData, "the trainer's state has {} \"{}\": it is of another model",
           found == by_name.end() ? "no" : "another shape of", name);
    }
    target.copy_(found->second);
  }
}

double clip_factor(double norm, double limit) {
  constexpr double kEpsilon = 1e-6;
  return limit > 0 ? std::min(1.0, limit / (norm + kEpsilon)) : 1.0;
}

}  // namespace paraclip
