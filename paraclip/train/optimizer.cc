#include "paraclip/train/optimizer.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace paraclip {

AdamW::AdamW(std::vector<NamedTensor> parameters, const AdamWOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const auto& [name, parameter] : parameters_) {
    first_moments_.push_back(at::zeros_like(parameter));
    second_moments_.push_back(at::zeros_like(parameter));
  }
}

void AdamW::step(double learning_rate) {
  ++steps_;
  const at::Tensor count = at::scalar_tensor(static_cast<double>(steps_), at::kFloat);
  for (const bool decays : {true, false}) {
    std::vector<at::Tensor> values, grads, first, second;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const at::Tensor& parameter = parameters_[i].second;
      if ((parameter.dim() >= 2) != decays || !parameter.grad().defined()) continue;
      values.push_back(parameter.detach());
      grads.push_back(parameter.grad());
      first.push_back(first_moments_[i]);
      second.push_back(second_moments_[i]);
    }
    if (values.empty()) continue;
    const std::vector<at::Tensor> counts(values.size(), count);
    at::_fused_adamw_(values, grads, first, second, /*max_exp_avg_sqs=*/{}, counts, learning_rate,
                      options_.beta1, options_.beta2, decays ? options_.weight_decay : 0.0,
                      options_.eps, /*amsgrad=*/false, /*maximize=*/false);
  }
}

std::vector<NamedTensor> AdamW::state() const {
  std::vector<NamedTensor> state;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state.emplace_back("exp_avg." + parameters_[i].first, first_moments_[i]);
    state.emplace_back("exp_avg_sq." + parameters_[i].first, second_moments_[i]);
  }
  return state;
}

void AdamW::load_state(int64_t steps, const std::vector<NamedTensor>& state) {
  const std::map<std::string, at::Tensor> by_name(state.begin(), state.end());
  const auto restore = [&](const std::string& name, at::Tensor& moment) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second.sizes() != moment.sizes()) {
      fail(ErrorKind::kData, "the optimizer state has {} \"{}\": it is of another model",
           found == by_name.end() ? "no" : "another shape of", name);
    }
    moment.copy_(found->second);
  };
  for (size_t i = 0; i < parameters_.size(); ++i) {
    restore("exp_avg." + parameters_[i].first, first_moments_[i]);
    restore("exp_avg_sq." + parameters_[i].first, second_moments_[i]);
  }
  steps_ = steps;
}

void clip_gradients(const std::vector<NamedTensor>& parameters, double norm, double limit) {
  const double factor = std::min(1.0, limit / (norm + 1e-6));
  if (factor >= 1.0) return;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.grad().defined()) parameter.grad().mul_(factor);
  }
}

}  // namespace paraclip
