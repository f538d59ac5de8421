#pragma once

#include "paraclip/clip/checkpoint.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace paraclip {

/// AdamW's settings, under open_clip's names and with its values for ViT models.
struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.98;
  double eps = 1e-6;
  double weight_decay = 0.1;  ///< Decoupled; not applied to tensors of fewer than two dimensions.
};

/// AdamW (Loshchilov and Hutter, 2019), equal to torch.optim.AdamW. One pass over parameters,
/// gradients and moments, in place, whose speed is that of the memory.
class AdamW {
 public:
  /// Optimises `parameters`, which are contiguous float32 leaves on the CPU. Each has the learning
  /// rate of a step times its factor in `rate_factors`; none given: 1 for all.
  AdamW(std::vector<NamedTensor> parameters, const AdamWOptions& options,
        std::vector<double> rate_factors = {});

  /// One step with the gradients that the parameters hold, each times `gradient_factor`. A
  /// parameter without a gradient is left alone. The versions of those that change are bumped.
  void step(double learning_rate, double gradient_factor = 1.0);

  /// The number of steps taken, and the first and second moments ("exp_avg.NAME",
  /// "exp_avg_sq.NAME").
  int64_t steps() const { return steps_; }
  std::vector<NamedTensor> state() const;

  /// Takes over what state() gave; other tensors are ignored. Throws kData if one is missing or of
  /// another shape.
  void load_state(int64_t steps, const std::vector<NamedTensor>& state);

 private:
  // What a thread updates at a time.
  struct Block {
    size_t parameter;
    int64_t begin, count;
  };

  std::vector<NamedTensor> parameters_;
  std::vector<double> rate_factors_;
  std::vector<at::Tensor> first_moments_, second_moments_;
  std::vector<Block> blocks_;
  AdamWOptions options_;
  int64_t steps_ = 0;
};

/// Copies to each of `targets` the tensor of `state` that has its name. Throws kData if one is
/// missing or of another shape.
void restore_tensors(const std::vector<NamedTensor>& targets,
                     const std::vector<NamedTensor>& state);

/// What gradients of Euclidean norm `norm` are multiplied by so that it is at most `limit` (as
/// torch.nn.utils.clip_grad_norm_ does); a limit of 0 is none.
double clip_factor(double norm, double limit);

}  // namespace paraclip
