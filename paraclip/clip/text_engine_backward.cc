#include "paraclip/clip/text_engine_impl.h"
#include "paraclip/clip/transformer_block.h"
#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/packed_attention.h"
#include "paraclip/nn/parallel.h"

#include <algorithm>
#include <cassert>

namespace paraclip {
namespace {

// Columns of which a task sums the gradients of embeddings.
constexpr int64_t kColumnsATask = 64;
// Rows of a weight's gradient that a task computes.
constexpr int64_t kRowsATask = 112;

// The gradients of one pass, of `rows` rows at most.
struct Gradients {
  float* x;         // [rows, width]: of the residual stream.
  Bytes x_narrow;   // The same in the compute type, as the product behind the mlp takes it.
  Bytes y_narrow;   // [rows, width]: behind attention, as its product takes it.
  Bytes hidden;     // [rows, mlp]
  Bytes activated;  // [rows, mlp]: the activation itself, computed again.
  Bytes normed1;    // [rows, width]: norms, computed again.
  Bytes normed2;
  Bytes attended;  // [rows, width]
  Bytes qkv;       // [rows, 3 width]
};

// The gradient of a weight [out, in] and its bias: left^T right, of [rows, out] and [rows, in].
struct WeightGradient {
  size_t weight;
  const void *left, *right;
  NumberType type;
  bool bias;
};

}  // namespace

float* TextEngine::Impl::gradient_of(size_t parameter) const {
  const at::Tensor& tensor = parameters[parameter].second;
  if (!tensor.requires_grad()) return nullptr;
  at::Tensor& gradient = tensor.mutable_grad();
  if (!gradient.defined()) gradient = at::zeros_like(tensor);
  assert(gradient.is_contiguous());
  return gradient.mutable_data_ptr<float>();
}

namespace {

// Where a norm's gradients are summed: a slice may go through two norms before they are added up.
enum NormSlot : int64_t { kFirstSlot, kSecondSlot, kSlots };

}  // namespace

/// One backward pass, from the ends to the embeddings.
class BackwardPass {
 public:
  BackwardPass(TextEngine::Impl& engine, const PackedText& text, const EngineTape& tape)
      : e_(engine), text_(text), tape_(tape), ends_(static_cast<int64_t>(text.ends.size())) {}

  void run(const at::Tensor& gradient);

 private:
  void lay_out();
  void project(const at::Tensor& gradient);
  void spread_ends();
  void attend(size_t block, bool ends_only) const;
  Step mlp_and_out(size_t block) const;
  Step qkv(size_t block) const;
  kernels::NormGradientCall norm(const Slice& s, size_t weight, NormSlot slot, const float* x,
                                 const float* mean, const float* rstd) const;
  void add_norm_gradients(size_t weight, NormSlot slot) const;
  void add_weight_gradients(std::span<const WeightGradient> list);
  void embed() const;
  WeightGradient of(size_t block, BlockTensor weight, const void* left, const void* right) const {
    return {e_.of_block(block, weight), left, right, e_.type, /*bias=*/true};
  }
  int64_t blocks() const { return (rows_ + rows_at_once(rows_) - 1) / rows_at_once(rows_); }
  // The sums of one block of rows: of the weight's gradient, then of the bias'.
  float* norm_sums(NormSlot slot, int64_t block) const {
    return sums_ + (slot * blocks() + block) * 2 * e_.width;
  }

  TextEngine::Impl& e_;
  const PackedText& text_;
  const EngineTape& tape_;
  int64_t ends_;
  int64_t rows_ = 0;  // That the steps at hand see: the ends, then all.
  Gradients g_{};
  float* sums_ = nullptr;
};

void BackwardPass::lay_out() {
  const int64_t rows = text_.rows(), width = e_.width, size = size_of(e_.type);
  const auto bytes = [](int64_t count, int64_t each) { return (count * each + 63) / 64 * 64; };
  const int64_t stream = bytes(rows * width, 4), narrow = bytes(rows * width, size);
  const int64_t wide = bytes(rows * e_.mlp, size);
  Bytes next = e_.workspace.gradients.resize(
      static_cast<size_t>(stream + 5 * narrow + 2 * wide + bytes(rows * 3 * width, size)));
  const auto take = [&](int64_t count) {
    const Bytes result = next;
    next += count;
    return result;
  };
  g_.x = reinterpret_cast<float*>(take(stream));
  g_.x_narrow = take(narrow);
  g_.y_narrow = take(narrow);
  g_.normed1 = take(narrow);
  g_.normed2 = take(narrow);
  g_.attended = take(narrow);
  g_.hidden = take(wide);
  g_.activated = take(wide);
  g_.qkv = take(0);
  // Fewer rows may make as many blocks.
  const int64_t most = std::max<int64_t>(16, rows / rows_at_once(rows)) + 1;
  sums_ = reinterpret_cast<float*>(
      e_.workspace.sums.resize(static_cast<size_t>(kSlots * most * 2 * width * 4)));
}

kernels::NormGradientCall BackwardPass::norm(const Slice& s, size_t weight, NormSlot slot,
                                             const float* x, const float* mean,
                                             const float* rstd) const {
  const int64_t width = e_.width;
  kernels::NormGradientCall call{};
  call.norm.x = x + s.begin * width;
  call.norm.x_stride = width;
  call.norm.rows = s.end - s.begin;
  call.norm.width = width;
  call.norm.weight = e_.values(weight);
  call.norm.bias = e_.values(weight + 1);
  // Only read here.
  call.norm.mean = const_cast<float*>(mean) + s.begin;
  call.norm.rstd = const_cast<float*>(rstd) + s.begin;
  call.norm.y_stride = width;
  call.norm.bfloat16 = e_.type == NumberType::kBfloat16;
  call.dy = reinterpret_cast<const float*>(s.normed);
  call.dy_stride = width;
  call.dx = g_.x + s.begin * width;
  call.dx_stride = width;
  call.dx_copy_stride = width;
  float* sums = norm_sums(slot, s.begin / rows_at_once(rows_));
  std::fill_n(sums, 2 * width, 0.0f);
  call.weight_gradient = sums;
  call.bias_gradient = sums + width;
  return call;
}

void BackwardPass::add_norm_gradients(size_t weight, NormSlot slot) const {
  for (const size_t part : {size_t{0}, size_t{1}}) {
    float* gradient = e_.gradient_of(weight + part);
    if (gradient == nullptr) continue;
    for (int64_t block = 0; block < blocks(); ++block) {
      const float* sums = norm_sums(slot, block) + static_cast<int64_t>(part) * e_.width;
      for (int64_t i = 0; i < e_.width; ++i) gradient[i] += sums[i];
    }
  }
}

void BackwardPass::add_weight_gradients(std::span<const WeightGradient> list) {
  struct Task {
    size_t entry;
    int64_t begin;
  };
  struct Sums {
    int64_t out;
    float *weight, *bias;
  };
  constexpr int64_t kPanelsATask = 4;
  std::vector<Task> packing, products;
  std::vector<Sums> sums;
  std::vector<at::Tensor> unwanted;
  for (size_t i = 0; i < list.size(); ++i) {
    const at::Tensor& weight = e_.parameters[list[i].weight].second;
    sums.push_back({weight.size(0), e_.gradient_of(list[i].weight),
                    list[i].bias ? e_.gradient_of(list[i].weight + 1) : nullptr});
    if (sums.back().weight == nullptr) {
      if (sums.back().bias == nullptr) continue;
      // The bias' sums come with the product.
      unwanted.push_back(at::empty(weight.sizes(), at::kFloat));
      sums.back().weight = unwanted.back().mutable_data_ptr<float>();
    }
    PackedFactor& right = e_.workspace.inputs[i];
    right.resize(list[i].type, rows_, weight.size(1));
    for (int64_t p = 0; p < right.panels(); p += kPanelsATask) packing.push_back({i, p});
    for (int64_t r = 0; r < weight.size(0); r += kRowsATask) products.push_back({i, r});
  }
  parallel_tasks(static_cast<int64_t>(packing.size()), [&](int64_t task) {
    const auto [i, begin] = packing[static_cast<size_t>(task)];
    PackedFactor& right = e_.workspace.inputs[i];
    const int64_t end = std::min(begin + kPanelsATask, right.panels());
    if (list[i].type == NumberType::kBfloat16) {
      right.pack(static_cast<const Bfloat16*>(list[i].right), right.columns(), begin, end);
    } else {
      right.pack(static_cast<const float*>(list[i].right), right.columns(), begin, end);
    }
  });
  parallel_tasks(static_cast<int64_t>(products.size()), [&](int64_t task) {
    const auto [i, begin] = products[static_cast<size_t>(task)];
    const auto [out, weight, bias] = sums[i];
    Gemm gradient;
    gradient.b = &e_.workspace.inputs[i];
    gradient.a = static_cast<const std::byte*>(list[i].left) + begin * size_of(list[i].type);
    gradient.a_stride = out;
    gradient.a_transposed = true;
    gradient.rows = std::min(kRowsATask, out - begin);
    gradient.epilogue = Epilogue::kAccumulate;
    gradient.result_stride = gradient.b->columns();
    gradient.result = weight + begin * gradient.result_stride;
    if (bias != nullptr) gradient.row_sums = bias + begin;
    gemm(gradient);
  });
}

// From the result's gradient to that of the last block's output, at the ends.
void BackwardPass::project(const at::Tensor& gradient) {
  const int64_t out = e_.config.projection_dim, width = e_.width;
  // Equal texts share an end.
  const at::Tensor at_ends = at::zeros({ends_, out}, at::kFloat);
  auto* sum = at_ends.mutable_data_ptr<float>();
  const auto* given = gradient.const_data_ptr<float>();
  for (int64_t i = 0; i < text_.batch(); ++i) {
    float* to = sum + text_.end_of[static_cast<size_t>(i)] * out;
    for (int64_t j = 0; j < out; ++j) to[j] += given[i * out + j];
  }
  const at::Tensor normed = at::empty({ends_, width}, at::kFloat);
  auto* y = normed.mutable_data_ptr<float>();
  const size_t weight = e_.parameters.size() - kFinalNorm;
  std::fill_n(g_.x, ends_ * width, 0.0f);
  const Step step = [&](const Slice& s) {
    Gemm back = e_.product(e_.projection_back, sum + s.begin * out, s);
    back.result = s.normed;
    back.result_stride = width;
    gemm(back);
    kernels::NormGradientCall call = norm(s, weight, kFirstSlot, tape_.x, tape_.mean, tape_.rstd);
    call.norm.bfloat16 = false;
    call.norm.y = reinterpret_cast<Bytes>(y + s.begin * width);
    kernels::active().norm_gradient(call);
    const int64_t count = (s.end - s.begin) * width;
    Bytes copy = e_.row(g_.x_narrow, s.begin, width);
    if (e_.type == NumberType::kBfloat16) {
      kernels::active().convert(g_.x + s.begin * width, copy, count);
    } else {
      std::copy_n(g_.x + s.begin * width, count, reinterpret_cast<float*>(copy));
    }
  };
  e_.for_rows(ends_, std::span(&step, 1), /*may_share_columns=*/false);
  add_norm_gradients(weight, kFirstSlot);
  const WeightGradient projection = {e_.parameters.size() - kProjection, sum, y,
                                     NumberType::kFloat32, /*bias=*/false};
  add_weight_gradients(std::span(&projection, 1));
}

// From a block's output to its attention's result: g_.x and g_.x_narrow to g_.x and g_.attended.
Step BackwardPass::mlp_and_out(size_t block) const {
  return [this, block](const Slice& s) {
    const BlockTape& tape = tape_.blocks[block];
    const BlockFactors& factors = e_.factors[block];
    Gemm fc2 = e_.product(factors.fc2_back, e_.row(g_.x_narrow, s.begin, e_.width), s);
    fc2.epilogue = e_.config.activation == Activation::kQuickGelu ? Epilogue::kQuickGeluGradient
                                                                  : Epilogue::kGeluGradient;
    fc2.hidden = e_.row(tape.hidden, s.begin, e_.mlp);
    fc2.hidden_stride = e_.mlp;
    fc2.activated = e_.row(g_.activated, s.begin, e_.mlp);
    fc2.activated_stride = e_.mlp;
    fc2.result = e_.row(g_.hidden, s.begin, e_.mlp);
    fc2.result_stride = e_.mlp;
    fc2.result_type = e_.type;
    gemm(fc2);
    Gemm fc1 = e_.product(factors.fc1_back, fc2.result, s);
    fc1.result = s.normed;
    fc1.result_stride = e_.width;
    gemm(fc1);
    kernels::NormGradientCall call =
        norm(s, e_.of_block(block, kNorm2Weight), kFirstSlot, tape.y, tape.mean2, tape.rstd2);
    call.norm.y = e_.row(g_.normed2, s.begin, e_.width);
    call.dx_copy = e_.row(g_.y_narrow, s.begin, e_.width);
    kernels::active().norm_gradient(call);
    Gemm out = e_.product(factors.out_back, call.dx_copy, s);
    out.result = e_.row(g_.attended, s.begin, e_.width);
    out.result_stride = e_.width;
    out.result_type = e_.type;
    gemm(out);
  };
}

// From a block's queries, keys and values to its input: g_.qkv to g_.x and g_.x_narrow.
Step BackwardPass::qkv(size_t block) const {
  return [this, block](const Slice& s) {
    const BlockTape& tape = tape_.blocks[block];
    Gemm qkv = e_.product(e_.factors[block].qkv_back, e_.row(g_.qkv, s.begin, 3 * e_.width), s);
    qkv.result = s.normed;
    qkv.result_stride = e_.width;
    gemm(qkv);
    kernels::NormGradientCall call =
        norm(s, e_.of_block(block, kNorm1Weight), kSecondSlot, tape.x, tape.mean1, tape.rstd1);
    call.norm.y = e_.row(g_.normed1, s.begin, e_.width);
    call.dx_copy = e_.row(g_.x_narrow, s.begin, e_.width);
    kernels::active().norm_gradient(call);
  };
}

void BackwardPass::attend(size_t block, bool ends_only) const {
  kernels::AttentionCall call = e_.attention_of(text_, tape_.blocks[block]);
  const std::vector<uint8_t> active = ends_only ? rows_of_ends(text_) : std::vector<uint8_t>();
  call.active = ends_only ? active.data() : nullptr;
  call.out_gradient = g_.attended;
  call.out_gradient_stride = e_.width;
  call.qkv_gradient = g_.qkv;
  call.qkv_gradient_stride = 3 * e_.width;
  for_each_head(call, e_.config.heads, kernels::active().attention_gradient);
}

// Moves the gradients at the ends, which stand one after the other, to the ends' rows, in place;
// the residual stream of other rows has none yet.
void BackwardPass::spread_ends() {
  const int64_t width = e_.width, narrow = width * size_of(e_.type);
  int64_t upper = text_.rows();
  for (int64_t i = ends_ - 1; i >= 0; --i) {
    const int64_t end = text_.ends[static_cast<size_t>(i)];
    std::fill(g_.x + (end + 1) * width, g_.x + upper * width, 0.0f);
    if (end != i) {
      std::copy_n(g_.x + i * width, width, g_.x + end * width);
      std::copy_n(g_.attended + i * narrow, narrow, g_.attended + end * narrow);
    }
    upper = end;
  }
  std::fill(g_.x, g_.x + upper * width, 0.0f);
}

void BackwardPass::embed() const {
  float* tokens = e_.gradient_of(kTokenEmbedding);
  float* places = e_.gradient_of(kPositionEmbedding);
  const auto* ids = text_.ids.const_data_ptr<int64_t>();
  const auto* positions = text_.positions.const_data_ptr<int64_t>();
  const int64_t width = e_.width;
  parallel_tasks((width + kColumnsATask - 1) / kColumnsATask, [&](int64_t task) {
    const int64_t begin = task * kColumnsATask, end = std::min(width, begin + kColumnsATask);
    for (int64_t r = 0; r < text_.rows(); ++r) {
      const float* from = g_.x + r * width;
      for (int64_t i = begin; tokens != nullptr && i < end; ++i)
        tokens[ids[r] * width + i] += from[i];
      for (int64_t i = begin; places != nullptr && i < end; ++i) {
        places[positions[r] * width + i] += from[i];
      }
    }
  });
}

void BackwardPass::run(const at::Tensor& gradient) {
  lay_out();
  const auto last = e_.factors.size() - 1;
  // The residual stream at the ends, as the last block left it; then of all rows.
  rows_ = ends_;
  project(gradient);
  for (size_t block = last;; --block) {
    const BlockTape& tape = tape_.blocks[block];
    std::vector<Step> steps;
    std::vector<WeightGradient> weights;
    if (block < last) {
      steps.push_back(qkv(block + 1));
      weights.push_back(of(block + 1, kQkvWeight, g_.qkv, g_.normed1));
    }
    steps.push_back(mlp_and_out(block));
    weights.push_back(of(block, kFc2Weight, g_.x_narrow, g_.activated));
    weights.push_back(of(block, kFc1Weight, g_.hidden, g_.normed2));
    weights.push_back(of(block, kOutWeight, g_.y_narrow, tape.attended));
    e_.for_rows(rows_, steps, /*may_share_columns=*/false);
    if (block < last) add_norm_gradients(e_.of_block(block + 1, kNorm1Weight), kSecondSlot);
    add_norm_gradients(e_.of_block(block, kNorm2Weight), kFirstSlot);
    add_weight_gradients(weights);
    if (block == last) spread_ends();
    attend(block, /*ends_only=*/block == last);
    rows_ = text_.rows();
    if (block == 0) break;
  }
  const Step step = qkv(0);
  e_.for_rows(rows_, std::span(&step, 1), /*may_share_columns=*/false);
  add_norm_gradients(e_.of_block(0, kNorm1Weight), kSecondSlot);
  const WeightGradient first = of(0, kQkvWeight, g_.qkv, g_.normed1);
  add_weight_gradients(std::span(&first, 1));
  embed();
}

void TextEngine::Impl::backward(const PackedText& text, const EngineTape& tape,
                                const at::Tensor& gradient) {
  refresh(/*backward=*/true);
  BackwardPass(*this, text, tape).run(gradient);
}

}  // namespace paraclip
