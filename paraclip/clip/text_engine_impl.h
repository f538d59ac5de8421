#pragma once

#include "paraclip/clip/text_engine.h"
#include "paraclip/nn/buffer.h"
#include "paraclip/nn/gemm.h"
#include "paraclip/nn/kernels/kernels.h"

#include <ATen/ATen.h>

#include <functional>
#include <mutex>
#include <vector>

namespace paraclip {

// Places of parameters in the order of text_tensor_names().
constexpr size_t kTokenEmbedding = 0;
constexpr size_t kPositionEmbedding = 1;
constexpr size_t kFirstBlock = 2;
// From the end.
constexpr size_t kFinalNorm = 4;
constexpr size_t kProjection = 2;

/// Matrices of activations: rows of the compute type.
using Bytes = std::byte*;

/// The weights of a block as factors: [in, out] for the forward pass, [out, in] for the backward.
struct BlockFactors {
  PackedFactor qkv, out, fc1, fc2;
  PackedFactor qkv_back, out_back, fc1_back, fc2_back;
};

/// What a block leaves behind. All rows, or, behind the attention of the last block, the ends.
struct BlockTape {
  float *x = nullptr, *mean1 = nullptr, *rstd1 = nullptr;  // The input, and its norm's numbers.
  Bytes qkv = nullptr;                                     // [rows, 3 width]
  Bytes attended = nullptr;                                // [.., width]
  float *y = nullptr, *mean2 = nullptr, *rstd2 = nullptr;  // Behind attention.
  Bytes hidden = nullptr;                                  // [.., mlp], before the activation.
};

/// Of one forward pass.
struct EngineTape : TextTape {
  Buffer memory;
  std::vector<BlockTape> blocks;
  float *x = nullptr, *mean = nullptr, *rstd = nullptr;  // [ends, width], of the final norm.
};

/// The rows, or the share of columns, of one piece of work, and memory for it.
struct Slice {
  int64_t begin, end;
  int64_t share, shares;
  Bytes normed;     // [end - begin, width], of this slice alone.
  Bytes activated;  // [end - begin, mlp]
};
using Step = std::function<void(const Slice&)>;

/// Memory of the passes, kept.
struct Workspace {
  Buffer scratch, tape, activations, gradients, sums;
  PackedFactor inputs[4];  // Of the gradients of weights.
};

struct TextEngine::Impl {
  Impl(const TextConfig& config_, std::span<const NamedTensor> parameters_, Precision precision);

  at::Tensor forward(const PackedText& text, EngineTape* tape);
  void backward(const PackedText& text, const EngineTape& tape, const at::Tensor& gradient);

  /// Packs the weights that have changed, those for the backward pass too where it is wanted.
  void refresh(bool backward);

  /// Lays a tape for this many rows out in `memory`, and tells how many bytes it takes. Without
  /// `keep`, blocks share what the forward pass alone needs.
  size_t lay_out(Buffer* memory, EngineTape& tape, int64_t rows, int64_t ends, bool keep) const;

  /// Takes `rows` rows through all of `steps`: block by block in parallel, each step for a block in
  /// a core's cache, or, where rows are few, step by step with the columns shared out.
  void for_rows(int64_t rows, std::span<const Step> steps, bool may_share_columns);

  void embed(const PackedText& text, float* x) const;
  kernels::AttentionCall attention_of(const PackedText& text, const BlockTape& tape) const;
  void attend(const PackedText& text, const BlockTape& tape, Bytes out, bool ends_only) const;
  /// Steps from a block's input to its queries, keys and values.
  std::vector<Step> before_attention(size_t block, const BlockTape& tape) const;
  /// Steps from `attended` and the residual `x`, whose rows stand as in tape.y, to `result`.
  std::vector<Step> after_attention(size_t block, const BlockTape& tape, const Bytes attended,
                                    const float* x, float* result) const;

  Gemm product(const PackedFactor& factor, const void* a, const Slice& slice) const;
  void norm(const Slice& slice, const float* x, size_t weight, float* mean, float* rstd,
            NumberType of, Bytes y) const;

  Bytes row(Bytes base, int64_t index, int64_t stride) const {
    return base + index * stride * size_of(type);
  }
  const float* values(size_t parameter) const {
    return parameters[parameter].second.const_data_ptr<float>();
  }
  /// Where the gradient of a parameter is summed; null if it wants none.
  float* gradient_of(size_t parameter) const;
  size_t of_block(size_t block, size_t tensor) const;

  TextConfig config;
  std::span<const NamedTensor> parameters;
  NumberType type;
  int64_t width, mlp;
  std::vector<BlockFactors> factors;
  PackedFactor projection, projection_back;
  std::vector<int64_t> packed_versions, packed_back_versions;
  Workspace workspace;
  std::vector<std::unique_ptr<TextTape>> free_tapes;
  std::mutex busy;
};

/// [rows]: 1 where a text ends.
std::vector<uint8_t> rows_of_ends(const PackedText& text);

/// Rows that a core takes through several products at once.
int64_t rows_at_once(int64_t rows);

}  // namespace paraclip
