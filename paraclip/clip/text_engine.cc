#include "paraclip/clip/text_engine.h"

#include "paraclip/clip/text_engine_impl.h"
#include "paraclip/clip/transformer_block.h"
#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/packed_attention.h"
#include "paraclip/nn/parallel.h"

#include <algorithm>
#include <cassert>

namespace paraclip {
namespace {

// With so few rows for each thread, threads share out columns instead of rows: reading the weights
// is what takes time then.
constexpr int64_t kFewRows = 28;

}  // namespace

int64_t rows_at_once(int64_t rows) {
  constexpr int64_t kTile = 14, kMost = 112, kBlocks = 16;
  const int64_t even = (rows + kBlocks - 1) / kBlocks;
  return std::clamp((even + kTile - 1) / kTile * kTile, kTile, kMost);
}

TextEngine::Impl::Impl(const TextConfig& config_, std::span<const NamedTensor> parameters_,
                       Precision precision)
    : config(config_),
      parameters(parameters_),
      type(precision == Precision::kBf16 ? NumberType::kBfloat16 : NumberType::kFloat32),
      width(config.width),
      mlp(config.mlp_width),
      factors(static_cast<size_t>(config.layers)) {}

size_t TextEngine::Impl::of_block(size_t block, size_t tensor) const {
  return kFirstBlock + block * kBlockSize + tensor;
}

void TextEngine::Impl::refresh(bool backward) {
  struct Job {
    PackedFactor* factor;
    const float* weight;
    int64_t stride;
    bool transposed;
    int64_t first_panel;
  };
  std::vector<Job> jobs;
  constexpr int64_t kPanelsAJob = 8;
  const auto add = [&](PackedFactor& factor, NumberType of, size_t index, bool back,
                       std::vector<int64_t>& versions) {
    const at::Tensor& weight = parameters[index].second;
    assert(weight.is_contiguous() && weight.scalar_type() == at::kFloat);
    const int64_t version = weight._version();
    if (versions[index] == version) return;
    versions[index] = version;
    const int64_t out = weight.size(0), in = weight.size(1);
    factor.resize(of, back ? out : in, back ? in : out);
    for (int64_t panel = 0; panel < factor.panels(); panel += kPanelsAJob) {
      jobs.push_back({&factor, weight.const_data_ptr<float>(), in, !back, panel});
    }
  };
  packed_versions.resize(parameters.size(), -1);
  packed_back_versions.resize(parameters.size(), -1);
  const size_t last = parameters.size() - kProjection;
  for (size_t i = 0; i < factors.size(); ++i) {
    BlockFactors& f = factors[i];
    add(f.qkv, type, of_block(i, kQkvWeight), false, packed_versions);
    add(f.out, type, of_block(i, kOutWeight), false, packed_versions);
    add(f.fc1, type, of_block(i, kFc1Weight), false, packed_versions);
    add(f.fc2, type, of_block(i, kFc2Weight), false, packed_versions);
    if (!backward) continue;
    add(f.qkv_back, type, of_block(i, kQkvWeight), true, packed_back_versions);
    add(f.out_back, type, of_block(i, kOutWeight), true, packed_back_versions);
    add(f.fc1_back, type, of_block(i, kFc1Weight), true, packed_back_versions);
    add(f.fc2_back, type, of_block(i, kFc2Weight), true, packed_back_versions);
  }
  add(projection, NumberType::kFloat32, last, false, packed_versions);
  if (backward) add(projection_back, NumberType::kFloat32, last, true, packed_back_versions);
  parallel_tasks(static_cast<int64_t>(jobs.size()), [&](int64_t task) {
    const Job& job = jobs[static_cast<size_t>(task)];
    const int64_t end = std::min(job.first_panel + kPanelsAJob, job.factor->panels());
    if (job.transposed) {
      job.factor->pack_transposed(job.weight, job.stride, job.first_panel, end);
    } else {
      job.factor->pack(job.weight, job.stride, job.first_panel, end);
    }
  });
}

size_t TextEngine::Impl::lay_out(Buffer* memory, EngineTape& tape, int64_t rows, int64_t ends,
                                 bool keep) const {
  std::byte* base = nullptr;
  size_t used = 0;
  const auto take = [&](auto*& pointer, int64_t count, int64_t size) {
    constexpr size_t kLine = 64;
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(base + used);
    used += (static_cast<size_t>(count * size) + kLine - 1) / kLine * kLine;
  };
  const auto place = [&] {
    used = 0;
    const int64_t size = size_of(type);
    for (size_t i = 0; i < tape.blocks.size(); ++i) {
      BlockTape& block = tape.blocks[i];
      const bool last = i + 1 == tape.blocks.size();
      if (i > 0 && !keep) {
        block = tape.blocks[0];
        continue;
      }
      const int64_t kept = keep && last ? ends : rows;
      take(block.x, rows * width, 4);
      take(block.mean1, rows, 4);
      take(block.rstd1, rows, 4);
      take(block.qkv, rows * 3 * width, size);
      take(block.attended, kept * width, size);
      take(block.y, kept * width, 4);
      take(block.mean2, kept, 4);
      take(block.rstd2, kept, 4);
      if (keep) take(block.hidden, kept * mlp, size);
    }
    take(tape.x, ends * width, 4);
    take(tape.mean, ends, 4);
    take(tape.rstd, ends, 4);
  };
  tape.blocks.resize(factors.size());
  place();
  if (memory != nullptr) {
    base = memory->resize(used);
    place();
  }
  return used;
}

void TextEngine::Impl::for_rows(int64_t rows, std::span<const Step> steps, bool may_share_columns) {
  const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  const bool shares = may_share_columns && threads > 1 && rows <= kFewRows * threads;
  const int64_t at_once = shares ? rows : rows_at_once(rows);
  // The memory of float32 rows, which the backward pass takes.
  const int64_t row_bytes = 4 * width + size_of(type) * mlp;
  const int64_t slot = at_once * row_bytes;
  Bytes memory = workspace.scratch.resize(static_cast<size_t>(threads * slot));
  const auto slice_at = [&](int64_t place, Slice slice) {
    slice.normed = memory + place * slot;
    // Columns of one matrix, or a matrix of one's own.
    slice.activated = memory + (slice.shares > 1 ? 0 : place * slot) + at_once * 4 * width;
    return slice;
  };
  if (shares) {
    for (const Step& step : steps) {
      at::parallel_for(0, threads, 1, [&](int64_t first, int64_t last) {
        for (int64_t share = first; share < last; ++share) {
          step(slice_at(share, {0, rows, share, threads, nullptr, nullptr}));
        }
      });
    }
    return;
  }
  parallel_tasks((rows + at_once - 1) / at_once, [&](int64_t task) {
    const Slice slice =
        slice_at(at::get_thread_num(),
                 {task * at_once, std::min(rows, (task + 1) * at_once), 0, 1, nullptr, nullptr});
    for (const Step& step : steps) step(slice);
  });
}

Gemm TextEngine::Impl::product(const PackedFactor& factor, const void* a,
                               const Slice& slice) const {
  Gemm gemm;
  gemm.a = a;
  gemm.a_stride = factor.depth();
  gemm.rows = slice.end - slice.begin;
  gemm.b = &factor;
  const Range panels = share_of(factor.panels(), slice.share, slice.shares);
  gemm.panel_begin = panels.begin;
  gemm.panel_end = panels.end;
  return gemm;
}

void TextEngine::Impl::norm(const Slice& slice, const float* x, size_t weight, float* mean,
                            float* rstd, NumberType of, Bytes y) const {
  kernels::NormCall call{};
  call.x = x + slice.begin * width;
  call.x_stride = width;
  call.rows = slice.end - slice.begin;
  call.width = width;
  call.weight = values(weight);
  call.bias = values(weight + 1);
  call.eps = config.layer_norm_eps;
  if (slice.share == 0) {  // Where columns are shared out, each share needs the norm; one tells.
    call.mean = mean + slice.begin;
    call.rstd = rstd + slice.begin;
  }
  call.y = y;
  call.y_stride = width;
  call.bfloat16 = of == NumberType::kBfloat16;
  kernels::active().norm(call);
}

void TextEngine::Impl::embed(const PackedText& text, float* x) const {
  const auto* ids = text.ids.const_data_ptr<int64_t>();
  const auto* positions = text.positions.const_data_ptr<int64_t>();
  at::parallel_for(0, text.rows(), /*grain_size=*/64, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* token = values(kTokenEmbedding) + ids[r] * width;
      const float* position = values(kPositionEmbedding) + positions[r] * width;
      for (int64_t i = 0; i < width; ++i) x[r * width + i] = token[i] + position[i];
    }
  });
}

std::vector<Step> TextEngine::Impl::before_attention(size_t block, const BlockTape& tape) const {
  return {[this, block, &tape](const Slice& s) {
    norm(s, tape.x, of_block(block, kNorm1Weight), tape.mean1, tape.rstd1, type, s.normed);
    Gemm qkv = product(factors[block].qkv, s.normed, s);
    qkv.bias = values(of_block(block, kQkvBias));
    qkv.result = row(tape.qkv, s.begin, 3 * width);
    qkv.result_stride = 3 * width;
    qkv.result_type = type;
    gemm(qkv);
  }};
}

std::vector<Step> TextEngine::Impl::after_attention(size_t block, const BlockTape& tape,
                                                    const Bytes attended, const float* x,
                                                    float* result) const {
  const auto add_to = [this](Gemm product, size_t bias, const float* residual, float* sum,
                             const Slice& s) {
    product.bias = values(bias);
    product.epilogue = Epilogue::kAddTo;
    product.residual = residual + s.begin * width;
    product.residual_stride = width;
    product.result = sum + s.begin * width;
    product.result_stride = width;
    gemm(product);
  };
  return {[=, this, &tape](const Slice& s) {
            add_to(product(factors[block].out, row(attended, s.begin, width), s),
                   of_block(block, kOutBias), x, tape.y, s);
          },
          [=, this, &tape](const Slice& s) {
            norm(s, tape.y, of_block(block, kNorm2Weight), tape.mean2, tape.rstd2, type, s.normed);
            Gemm fc1 = product(factors[block].fc1, s.normed, s);
            fc1.bias = values(of_block(block, kFc1Bias));
            fc1.epilogue = config.activation == Activation::kQuickGelu ? Epilogue::kQuickGelu
                                                                       : Epilogue::kGelu;
            if (tape.hidden != nullptr) fc1.result = row(tape.hidden, s.begin, mlp);
            fc1.result_stride = mlp;
            fc1.result_type = type;
            fc1.activated = s.activated;
            fc1.activated_stride = mlp;
            gemm(fc1);
          },
          [=, this, &tape](const Slice& s) {
            add_to(product(factors[block].fc2, s.activated, s), of_block(block, kFc2Bias), tape.y,
                   result, s);
          }};
}

std::vector<uint8_t> rows_of_ends(const PackedText& text) {
  std::vector<uint8_t> result(static_cast<size_t>(text.rows()), 0);
  for (const int64_t end : text.ends) result[static_cast<size_t>(end)] = 1;
  return result;
}

kernels::AttentionCall TextEngine::Impl::attention_of(const PackedText& text,
                                                      const BlockTape& tape) const {
  kernels::AttentionCall call{};
  call.qkv = tape.qkv;
  call.qkv_stride = 3 * width;
  call.depths = text.depths.data();
  call.end = text.rows();
  call.width = width;
  call.head_width = width / config.heads;
  call.max_depth = text.max_length;
  call.causal = true;
  call.bfloat16 = type == NumberType::kBfloat16;
  return call;
}

void TextEngine::Impl::attend(const PackedText& text, const BlockTape& tape, Bytes out,
                              bool ends_only) const {
  kernels::AttentionCall call = attention_of(text, tape);
  const std::vector<uint8_t> active = ends_only ? rows_of_ends(text) : std::vector<uint8_t>();
  call.active = ends_only ? active.data() : nullptr;
  call.out = out;
  call.out_stride = width;
  for_each_head(call, config.heads, kernels::active().attention);
}

at::Tensor TextEngine::Impl::forward(const PackedText& text, EngineTape* tape) {
  refresh(/*backward=*/false);
  const int64_t rows = text.rows(), ends = static_cast<int64_t>(text.ends.size());
  EngineTape unkept;
  const bool keep = tape != nullptr;
  if (!keep) tape = &unkept;
  lay_out(keep ? &tape->memory : &workspace.tape, *tape, rows, ends, keep);

  embed(text, tape->blocks[0].x);
  for_rows(rows, before_attention(0, tape->blocks[0]), true);
  const size_t count = factors.size();
  for (size_t block = 0; block + 1 < count; ++block) {
    const BlockTape& here = tape->blocks[block];
    const BlockTape& next = tape->blocks[block + 1];
    attend(text, here, here.attended, /*ends_only=*/false);
    std::vector<Step> steps = after_attention(block, here, here.attended, here.x, next.x);
    for (Step& step : before_attention(block + 1, next)) steps.push_back(std::move(step));
    for_rows(rows, steps, true);
  }
  // Behind the last attention, the ends alone.
  const BlockTape& last = tape->blocks[count - 1];
  const int64_t row_bytes = width * size_of(type);
  Bytes attended =
      workspace.activations.resize(static_cast<size_t>(rows * row_bytes + ends * width * 4));
  auto* x = reinterpret_cast<float*>(attended + rows * row_bytes);
  attend(text, last, attended, /*ends_only=*/true);
  for (int64_t i = 0; i < ends; ++i) {
    const int64_t end = text.ends[static_cast<size_t>(i)];
    std::copy_n(attended + end * row_bytes, row_bytes, last.attended + i * row_bytes);
    std::copy_n(last.x + end * width, width, x + i * width);
  }
  at::Tensor embeddings = at::empty({ends, config.projection_dim}, at::kFloat);
  auto* out = embeddings.mutable_data_ptr<float>();
  std::vector<Step> steps = after_attention(count - 1, last, last.attended, x, tape->x);
  steps.emplace_back([&](const Slice& s) {
    norm(s, tape->x, parameters.size() - kFinalNorm, tape->mean, tape->rstd, NumberType::kFloat32,
         s.normed);
    Gemm project = product(projection, s.normed, s);
    project.result = out + s.begin * config.projection_dim;
    project.result_stride = config.projection_dim;
    gemm(project);
  });
  for_rows(ends, steps, true);
  return embeddings.index_select(0, at::tensor(at::ArrayRef<int64_t>(text.end_of), at::kLong));
}

TextEngine::TextEngine(const TextConfig& config, std::span<const NamedTensor> parameters,
                       Precision precision)
    : impl_(std::make_unique<Impl>(config, parameters, precision)) {}

TextEngine::~TextEngine() = default;

at::Tensor TextEngine::forward(const PackedText& text, std::unique_ptr<TextTape>* tape) {
  const std::lock_guard lock(impl_->busy);
  const at::NoGradGuard no_grad;
  if (tape == nullptr) return impl_->forward(text, nullptr);
  if (impl_->free_tapes.empty()) {
    *tape = std::make_unique<EngineTape>();
  } else {
    *tape = std::move(impl_->free_tapes.back());
    impl_->free_tapes.pop_back();
  }
  return impl_->forward(text, static_cast<EngineTape*>(tape->get()));
}

void TextEngine::backward(const PackedText& text, const TextTape& tape,
                          const at::Tensor& gradient) {
  const std::lock_guard lock(impl_->busy);
  const at::NoGradGuard no_grad;
  impl_->backward(text, static_cast<const EngineTape&>(tape), gradient.contiguous());
}

int64_t TextEngine::tape_bytes(int64_t rows, int64_t ends) const {
  EngineTape tape;
  return static_cast<int64_t>(impl_->lay_out(nullptr, tape, rows, ends, /*keep=*/true));
}

void TextEngine::recycle(std::unique_ptr<TextTape> tape) {
  const std::lock_guard lock(impl_->busy);
  impl_->free_tapes.push_back(std::move(tape));
}

}  // namespace paraclip
