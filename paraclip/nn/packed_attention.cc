#include "paraclip/nn/packed_attention.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace paraclip {
namespace {

// One head of one sequence, copied out of the packed rows so that the inner loops run over
// contiguous memory. Transposed copies put the other token, not the channel, on the inner loop of
// the score products.
template <typename T>
struct Head {
  int64_t length = 0;
  int64_t width = 0;
  std::vector<T> q, k, v, scores;
  std::vector<T> transposed;

  void load(const T* qkv, int64_t stride, int64_t begin, int64_t end, int64_t head, int64_t heads) {
    length = end - begin;
    width = stride / 3 / heads;
    for (std::vector<T>* part : {&q, &k, &v}) {
      const int64_t index = part == &q ? 0 : part == &k ? 1 : 2;
      part->resize(static_cast<size_t>(length * width));
      for (int64_t i = 0; i < length; ++i) {
        const T* row = qkv + (begin + i) * stride + index * (stride / 3) + head * width;
        std::copy(row, row + width, part->begin() + i * width);
      }
    }
  }

  // out[i][j] = sum_c a[i][c] * b[j][c] for j < reach(i)
  void products(const T* a, const T* b, bool causal, T* out) {
    transposed.resize(static_cast<size_t>(length * width));
    for (int64_t j = 0; j < length; ++j) {
      for (int64_t c = 0; c < width; ++c) transposed[c * length + j] = b[j * width + c];
    }
    for (int64_t i = 0; i < length; ++i) {
      const int64_t reach = causal ? i + 1 : length;
      T* row = out + i * length;
      std::fill(row, row + length, T(0));
      for (int64_t c = 0; c < width; ++c) {
        const T factor = a[i * width + c];
        const T* column = transposed.data() + c * length;
        for (int64_t j = 0; j < reach; ++j) row[j] += factor * column[j];
      }
    }
  }

  // Fills `scores` with the attention probabilities; entries beyond a token's reach are 0.
  void softmax_scores(bool causal) {
    scores.resize(static_cast<size_t>(length * length));
    products(q.data(), k.data(), causal, scores.data());
    const T scale = T(1) / std::sqrt(static_cast<T>(width));
    for (int64_t i = 0; i < length; ++i) {
      const int64_t reach = causal ? i + 1 : length;
      T* row = scores.data() + i * length;
      const T highest = *std::max_element(row, row + reach);
      T sum = 0;
      for (int64_t j = 0; j < reach; ++j) {
        row[j] = std::exp((row[j] - highest) * scale);
        sum += row[j];
      }
      for (int64_t j = 0; j < reach; ++j) row[j] /= sum;
    }
  }
};

// Calls body(head buffers, begin, end, head index) for every head of every sequence, in parallel.
template <typename T, typename Body>
void for_each_head(const at::Tensor& offsets, int64_t heads, const Body& body) {
  const int64_t* bounds = offsets.const_data_ptr<int64_t>();
  const int64_t batch = offsets.numel() - 1;
  at::parallel_for(0, batch * heads, /*grain_size=*/8, [&](int64_t first, int64_t last) {
    Head<T> buffers;
    for (int64_t task = first; task < last; ++task) {
      const int64_t sequence = task / heads;
      body(buffers, bounds[sequence], bounds[sequence + 1], task % heads);
    }
  });
}

template <typename T>
void forward_kernel(const at::Tensor& qkv, const at::Tensor& offsets, int64_t heads, bool causal,
                    at::Tensor& output) {
  const int64_t stride = qkv.size(1);
  const T* input = qkv.const_data_ptr<T>();
  T* out = output.data_ptr<T>();
  for_each_head<T>(offsets, heads, [&](Head<T>& buffers, int64_t begin, int64_t end, int64_t head) {
    buffers.load(input, stride, begin, end, head, heads);
    buffers.softmax_scores(causal);
    for (int64_t i = 0; i < buffers.length; ++i) {
      T* row = out + (begin + i) * (stride / 3) + head * buffers.width;
      std::fill(row, row + buffers.width, T(0));
      const int64_t reach = causal ? i + 1 : buffers.length;
      for (int64_t j = 0; j < reach; ++j) {
        const T weight = buffers.scores[i * buffers.length + j];
        const T* value = buffers.v.data() + j * buffers.width;
        for (int64_t c = 0; c < buffers.width; ++c) row[c] += weight * value[c];
      }
    }
  });
}

// The gradients of one head: dv = P^T dout, dS = P * (dP - rowsum(P * dP)), dq = dS k, dk = dS^T q.
template <typename T>
void backward_head(Head<T>& buffers, const T* grad, bool causal, std::vector<T>& grad_scores, T* dq,
                   T* dk, T* dv) {
  const int64_t length = buffers.length;
  const int64_t width = buffers.width;
  const T scale = T(1) / std::sqrt(static_cast<T>(width));
  grad_scores.resize(static_cast<size_t>(length * length));
  buffers.softmax_scores(causal);
  buffers.products(grad, buffers.v.data(), causal, grad_scores.data());
  for (int64_t i = 0; i < length; ++i) {
    const int64_t reach = causal ? i + 1 : length;
    const T* probabilities = buffers.scores.data() + i * length;
    T* row = grad_scores.data() + i * length;
    T mean = 0;
    for (int64_t j = 0; j < reach; ++j) mean += probabilities[j] * row[j];
    for (int64_t j = 0; j < reach; ++j) {
      const T probability = probabilities[j];
      const T slope = probability * (row[j] - mean) * scale;
      for (int64_t c = 0; c < width; ++c) {
        dv[j * width + c] += probability * grad[i * width + c];
        dq[i * width + c] += slope * buffers.k[j * width + c];
        dk[j * width + c] += slope * buffers.q[i * width + c];
      }
    }
  }
}

template <typename T>
void backward_kernel(const at::Tensor& qkv, const at::Tensor& offsets, int64_t heads, bool causal,
                     const at::Tensor& grad_output, at::Tensor& grad_qkv) {
  const int64_t stride = qkv.size(1);
  const T* input = qkv.const_data_ptr<T>();
  const T* grad = grad_output.const_data_ptr<T>();
  T* out = grad_qkv.data_ptr<T>();
  for_each_head<T>(offsets, heads, [&](Head<T>& buffers, int64_t begin, int64_t end, int64_t head) {
    buffers.load(input, stride, begin, end, head, heads);
    const int64_t length = buffers.length;
    const int64_t width = buffers.width;
    std::vector<T> local(static_cast<size_t>(4 * length * width), T(0));
    std::vector<T> grad_scores;
    T* head_grad = local.data();
    for (int64_t i = 0; i < length; ++i) {
      const T* row = grad + (begin + i) * (stride / 3) + head * width;
      std::copy(row, row + width, head_grad + i * width);
    }
    T* dqkv = local.data() + length * width;
    backward_head(buffers, head_grad, causal, grad_scores, dqkv, dqkv + length * width,
                  dqkv + 2 * length * width);
    for (int64_t part = 0; part < 3; ++part) {
      for (int64_t i = 0; i < length; ++i) {
        const T* row = dqkv + (part * length + i) * width;
        std::copy(row, row + width,
                  out + (begin + i) * stride + part * (stride / 3) + head * width);
      }
    }
  });
}

class PackedAttention : public torch::autograd::Function<PackedAttention> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& qkv,
                            const at::Tensor& offsets, int64_t heads, bool causal) {
    const at::Tensor input = qkv.contiguous();
    context->save_for_backward({input, offsets});
    context->saved_data["heads"] = heads;
    context->saved_data["causal"] = causal;
    at::Tensor output = at::empty({input.size(0), input.size(1) / 3}, input.options());
    AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "packed_attention", [&] {
      forward_kernel<scalar_t>(input, offsets, heads, causal, output);
    });
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    const bool causal = context->saved_data["causal"].toBool();
    const at::Tensor grad = grads[0].contiguous();
    at::Tensor grad_qkv = at::empty_like(saved[0]);
    AT_DISPATCH_FLOATING_TYPES(grad.scalar_type(), "packed_attention_backward", [&] {
      backward_kernel<scalar_t>(saved[0], saved[1], heads, causal, grad, grad_qkv);
    });
    return {grad_qkv, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor packed_attention(const at::Tensor& qkv, const at::Tensor& offsets, int64_t heads,
                            bool causal) {
  return PackedAttention::apply(qkv, offsets, heads, causal);
}

}  // namespace paraclip
