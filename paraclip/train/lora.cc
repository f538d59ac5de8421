#include "paraclip/train/lora.h"

#include "paraclip/base/error.h"
#include "paraclip/train/schedule.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

namespace paraclip {

std::vector<NamedTensor> Lora::adapted_weights(const TextTower& tower) {
  std::vector<NamedTensor> weights;
  for (const auto& [name, parameter] : tower.parameters()) {
    if (block_of(name) >= 0 && parameter.dim() == 2) weights.emplace_back(name, parameter);
  }
  return weights;
}

Lora::Lora(TextTower& tower, int64_t rank, double alpha, uint64_t seed)
    : scale_(alpha / static_cast<double>(rank)), dense_gradients_(adapted_weights(tower)) {
  const at::NoGradGuard no_grad;
  tower.set_trainable(false);
  at::Generator generator = at::detail::createCPUGenerator(seed);
  for (const auto& [name, weight] : adapted_weights(tower)) {
    const int64_t out = weight.size(0), in = weight.size(1);
    if (rank > std::min(out, in)) {
      fail(ErrorKind::kUsage, "--lora-rank {} exceeds the rank of {}, which is {} x {}", rank, name,
           out, in);
    }
    weight.set_requires_grad(true);
    // As torch.nn.Linear begins, and with it the reference implementation's A.
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    const at::Tensor a = at::empty({rank, in}, at::kFloat).uniform_(-bound, bound, generator);
    const at::Tensor b = at::zeros({out, rank}, at::kFloat);
    parameters_.emplace_back(name + ".lora_a", a.set_requires_grad(true));
    parameters_.emplace_back(name + ".lora_b", b.set_requires_grad(true));
    adapters_.push_back({weight, weight.detach().clone(), a, b});
  }
  at::Tensor(tower.logit_scale()).set_requires_grad(true);
}

void Lora::pull_gradients() {
  const at::NoGradGuard no_grad;
  for (const auto& [weight, base, a, b] : adapters_) {
    const at::Tensor& gradient = weight.grad();
    at::Tensor(a.grad()).addmm_(b.t(), gradient, /*beta=*/1, /*alpha=*/scale_);
    at::Tensor(b.grad()).addmm_(gradient, a.t(), /*beta=*/1, /*alpha=*/scale_);
  }
}

void Lora::merge() {
  const at::NoGradGuard no_grad;
  for (auto& [weight, base, a, b] : adapters_) {
    at::addmm_out(weight, base, b, a, /*beta=*/1, /*alpha=*/scale_);
  }
}

}  // namespace paraclip
