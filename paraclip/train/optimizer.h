#pragma once

#include "paraclip/clip/text_tower.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace paraclip {

/// AdamW's settings, under open_clip's names and with its values for ViT models.
struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.98;
  double eps = 1e-6;
  double weight_decay = 0.1;  ///< Decoupled; not applied to tensors of fewer than two dimensions.
};

/// AdamW (Loshchilov and Hutter, 2019) over libtorch's fused kernel. Equal to torch.optim.AdamW.
class AdamW {
 public:
  /// Optimises `parameters`, which must be leaves that require gradients.
  AdamW(std::vector<NamedTensor> parameters, const AdamWOptions& options);

  /// One step with the gradients that the parameters hold. A parameter without one is left alone.
  void step(double learning_rate);

  /// The number of steps taken, and the first and second moments ("exp_avg.NAME",
  /// "exp_avg_sq.NAME").
  int64_t steps() const { return steps_; }
  std::vector<NamedTensor> state() const;

  /// Takes over what state() gave. Throws kData if a tensor is missing or of another shape.
  void load_state(int64_t steps, const std::vector<NamedTensor>& state);

 private:
  std::vector<NamedTensor> parameters_;
  std::vector<at::Tensor> first_moments_, second_moments_;
  AdamWOptions options_;
  int64_t steps_ = 0;
};

/// Scales all gradients so that their norm, `norm` now, is at most `limit`.
void clip_gradients(const std::vector<NamedTensor>& parameters, double norm, double limit);

}  // namespace paraclip
