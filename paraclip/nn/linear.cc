#include "paraclip/nn/linear.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cassert>

namespace paraclip {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Operators that libtorch has where it was built with oneDNN, found by name. They are what its own
// compiler calls (torch/_inductor), so they stay.
using Pack = at::Tensor(const at::Tensor&, std::optional<int64_t>);
using Unary = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                         std::string_view, c10::List<std::optional<at::Scalar>>,
                         std::optional<std::string_view>);
using Binary = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                          const std::optional<at::Tensor>&, std::string_view);

struct OneDnn {
  c10::TypedOperatorHandle<Pack> pack;
  c10::TypedOperatorHandle<Unary> unary;
  c10::TypedOperatorHandle<Binary> binary;
};

const OneDnn* one_dnn() {
  static const std::optional<OneDnn> operators = []() -> std::optional<OneDnn> {
    auto& dispatcher = c10::Dispatcher::singleton();
    const auto pack = dispatcher.findSchema({"mkldnn::_reorder_linear_weight", ""});
    const auto unary = dispatcher.findSchema({"mkldnn::_linear_pointwise", ""});
    const auto binary = dispatcher.findSchema({"mkldnn::_linear_pointwise", "binary"});
    if (!at::hasMKLDNN() || !pack || !unary || !binary) return std::nullopt;
    return OneDnn{pack->typed<Pack>(), unary->typed<Unary>(), binary->typed<Binary>()};
  }();
  return operators ? &*operators : nullptr;
}

at::Tensor product(const at::Tensor& input, const at::Tensor& weight,
                   const std::optional<at::Tensor>& bias, const char* epilogue = "none") {
  return one_dnn()->unary.call(input, weight, bias, epilogue,
                               c10::List<std::optional<at::Scalar>>(),
                               std::string_view(epilogue) == "gelu" ? "none" : "");
}

// The layer under autograd. The gradient of the weights stays with libtorch: oneDNN would have to
// transpose both factors first.
struct LinearFunction : public torch::autograd::Function<LinearFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
    context->save_for_backward({input, weight});
    context->saved_data["bias"] = bias.has_value();
    return product(input, weight, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor input_gradient, weight_gradient, bias_gradient;
    if (context->needs_input_grad(0)) {
      input_gradient = product(gradient, saved[1].t().contiguous(), std::nullopt);
    }
    if (context->needs_input_grad(1)) weight_gradient = at::mm(gradient.t(), saved[0]);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) {
      bias_gradient = gradient.sum(0);
    }
    return {input_gradient, weight_gradient, bias_gradient};
  }
};

const char* name(PackedLinear::Epilogue epilogue) {
  switch (epilogue) {
    case PackedLinear::Epilogue::kSwish: return "swish";
    case PackedLinear::Epilogue::kGelu: return "gelu";
    case PackedLinear::Epilogue::kNone: break;
  }
  return "none";
}

// Rows that the packing is made for; other counts work as well.
constexpr int64_t kTypicalRows = 1600;

}  // namespace

at::Tensor linear_layer(const at::Tensor& input, const at::Tensor& weight,
                        const std::optional<at::Tensor>& bias) {
  const bool fits = one_dnn() != nullptr && input.dim() == 2 && input.numel() > 0 &&
                    input.scalar_type() == at::kFloat && input.device().is_cpu();
  if (!fits) return at::linear(input, weight, bias);
  return LinearFunction::apply(input.contiguous(), weight, bias);
}

PackedLinear::PackedLinear(const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                           at::ScalarType type, Epilogue epilogue)
    : epilogue_(epilogue) {
  const at::NoGradGuard no_grad;
  weight_ = weight.detach().to(type).contiguous();
  if (bias) bias_ = bias->detach().to(type).contiguous();
  packed_ = one_dnn() != nullptr;
  if (packed_) weight_ = one_dnn()->pack.call(weight_, kTypicalRows);
}

at::Tensor PackedLinear::operator()(const at::Tensor& input) const {
  if (packed_) return product(input, weight_, bias_, name(epilogue_));
  const at::Tensor result = at::linear(input, weight_, bias_);
  switch (epilogue_) {
    case Epilogue::kSwish: return at::silu(result);
    case Epilogue::kGelu: return at::gelu(result);
    case Epilogue::kNone: break;
  }
  return result;
}

at::Tensor PackedLinear::add_to(const at::Tensor& residual, const at::Tensor& input) const {
  assert(epilogue_ == Epilogue::kNone);
  if (packed_) return one_dnn()->binary.call(input, residual, weight_, bias_, "add");
  return at::linear(input, weight_, bias_).add_(residual);
}

}  // namespace paraclip
