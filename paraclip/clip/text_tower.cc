#include "paraclip/clip/text_tower.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/roberta_tower.h"
#include "paraclip/clip/tensor_names.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <cassert>

namespace paraclip {
namespace {

// A pass that waits for its gradient.
struct Pending : torch::CustomClassHolder {
  Pending(std::shared_ptr<TextEngine> engine_, PackedText text_)
      : engine(std::move(engine_)), text(std::move(text_)) {}
  ~Pending() override {
    if (tape) engine->recycle(std::move(tape));
  }

  std::shared_ptr<TextEngine> engine;
  PackedText text;
  std::unique_ptr<TextTape> tape;
};

// The engine in autograd's graph. It adds its gradients to the parameters itself; one of them is
// its input, so that it has a place.
struct EngineFunction : torch::autograd::Function<EngineFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor&,
                            const c10::intrusive_ptr<Pending>& pending) {
    context->saved_data["pending"] = c10::IValue::make_capsule(pending);
    return pending->engine->forward(pending->text, &pending->tape);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto pending =
        c10::static_intrusive_pointer_cast<Pending>(context->saved_data["pending"].toCapsule());
    pending->engine->backward(pending->text, *pending->tape, gradients[0]);
    return {at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TextTower::TextTower(const TextConfig& config, std::vector<NamedTensor> parameters)
    : config_(config), parameters_(std::move(parameters)) {
  assert(parameters_.size() == text_tensor_names(config).size());
  set_precision(Precision::kFp32);
}

void TextTower::set_trainable(bool trainable) {
  for (auto& [name, tensor] : parameters_) tensor.set_requires_grad(trainable);
}

void TextTower::set_precision(Precision precision) {
  if (config_.architecture == TextArchitecture::kClip) {
    engine_ = std::make_shared<TextEngine>(config_, parameters_, precision);
  } else if (precision != Precision::kFp32) {
    fail(ErrorKind::kUsage, "RoBERTa text towers are computed in fp32 only, not in {}",
         to_string(precision));
  }
  precision_ = precision;
}

at::Tensor TextTower::forward(const PackedText& text) const {
  if (!engine_) return roberta_forward(config_, parameters_, text);
  const auto wanted =
      std::find_if(parameters_.begin(), parameters_.end(),
                   [](const NamedTensor& parameter) { return parameter.second.requires_grad(); });
  if (!at::GradMode::is_enabled() || wanted == parameters_.end()) return engine_->forward(text);
  return EngineFunction::apply(wanted->second, c10::make_intrusive<Pending>(engine_, text));
}

int64_t TextTower::tape_bytes(const PackedText& text) const {
  if (engine_) return engine_->tape_bytes(text.rows(), static_cast<int64_t>(text.ends.size()));
  // What autograd keeps of a block: about five rows of the mlp's width and fourteen of the model's.
  return text.rows() * config_.layers * (5 * config_.mlp_width + 14 * config_.width) * 4;
}

at::Tensor normalize_rows(const at::Tensor& rows) {
  return rows / rows.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

}  // namespace paraclip
