#include "paraclip/nn/packed_attention.h"

#include "paraclip/nn/buffer.h"
#include "paraclip/nn/parallel.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cassert>

namespace paraclip {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::AttentionCall call_of(const at::Tensor& qkv, const at::Tensor& depths, int64_t heads,
                               bool causal) {
  kernels::AttentionCall call{};
  call.qkv = static_cast<const std::byte*>(qkv.const_data_ptr());
  call.qkv_stride = qkv.size(1);
  call.depths = depths.const_data_ptr<int32_t>();
  call.end = qkv.size(0);
  call.width = qkv.size(1) / 3;
  call.head_width = call.width / heads;
  call.max_depth = depths.numel() == 0 ? 0 : depths.max().item<int32_t>() + 1;
  call.causal = causal;
  return call;
}

struct PackedAttention : public torch::autograd::Function<PackedAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const at::Tensor& depths, int64_t heads, bool causal) {
    assert(qkv.scalar_type() == at::kFloat);
    const at::Tensor input = qkv.contiguous();
    context->save_for_backward({input, depths});
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    at::Tensor output = at::empty({input.size(0), input.size(1) / 3}, input.options());
    kernels::AttentionCall call = call_of(input, depths, heads, causal);
    call.out = static_cast<std::byte*>(output.mutable_data_ptr());
    call.out_stride = output.size(1);
    for_each_head(call, heads, kernels::active().attention);
    return output;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor result = at::empty_like(saved[0]);
    kernels::AttentionCall call =
        call_of(saved[0], saved[1], heads, context->saved_data["causal"].toBool());
    call.out_gradient = static_cast<const std::byte*>(gradient.const_data_ptr());
    call.out_gradient_stride = gradient.size(1);
    call.qkv_gradient = static_cast<std::byte*>(result.mutable_data_ptr());
    call.qkv_gradient_stride = result.size(1);
    for_each_head(call, heads, kernels::active().attention_gradient);
    return {result, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// Rows that one task takes, about: enough that starting it costs nothing.
constexpr int64_t kRowsATask = 128;

}  // namespace

void for_each_head(const kernels::AttentionCall& call, int64_t heads,
                   void (*kernel)(const kernels::AttentionCall&, std::byte* scratch)) {
  std::vector<int64_t> bounds = {0};
  for (int64_t row = 1; row < call.end; ++row) {
    if (call.depths[row] == 0 && row - bounds.back() >= kRowsATask) bounds.push_back(row);
  }
  bounds.push_back(call.end);
  const int64_t scratch = kernels::active().attention_scratch(call.max_depth, call.head_width);
  parallel_tasks(static_cast<int64_t>(bounds.size() - 1) * heads, [&](int64_t task) {
    thread_local Buffer memory;
    kernels::AttentionCall one = call;
    one.head = task % heads;
    one.begin = bounds[static_cast<size_t>(task / heads)];
    one.end = bounds[static_cast<size_t>(task / heads) + 1];
    kernel(one, memory.resize(static_cast<size_t>(scratch)));
  });
}

at::Tensor packed_attention(const at::Tensor& qkv, const std::vector<int32_t>& depths,
                            int64_t heads, bool causal) {
  return PackedAttention::apply(qkv, at::tensor(at::ArrayRef<int32_t>(depths), at::kInt), heads,
                                causal);
}

}  // namespace paraclip
