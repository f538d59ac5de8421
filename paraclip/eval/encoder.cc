#include "paraclip/eval/encoder.h"

#include <ATen/ATen.h>

namespace paraclip {

std::vector<double> row_similarities(const at::Tensor& first, const at::Tensor& second) {
  const at::Tensor products =
      (first.to(at::kDouble) * second.to(at::kDouble)).sum(1).to(at::kFloat).to(at::kDouble);
  const double* values = products.const_data_ptr<double>();
  return {values, values + products.numel()};
}

}  // namespace paraclip
