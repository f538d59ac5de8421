#pragma once

#include <cstddef>
#include <cstdint>

/// The inner loops of the towers, compiled once for each instruction set. This header holds plain
/// data only: code that is compiled for one processor must not share inline functions with code
/// that runs on every one.
namespace paraclip::kernels {

/// Gemm with its factor resolved; see nn/gemm.h.
struct GemmCall {
  const std::byte* a;
  int64_t a_stride;  // In elements.
  bool a_transposed;
  int64_t rows, depth;
  bool bfloat16;          // Of A and B.
  const std::byte* b;     // The first panel, at the first row that takes part.
  int64_t b_panel_bytes;  // From panel to panel.
  int64_t panel_begin, panel_end;
  int64_t columns;  // Of B.
  int epilogue;     // paraclip::Epilogue
  const float* bias;
  std::byte* result;
  int64_t result_stride;
  bool result_bfloat16;
  const float* residual;
  int64_t residual_stride;
  const std::byte* hidden;
  int64_t hidden_stride;
  std::byte* activated;
  int64_t activated_stride;
  float* row_sums;
};

/// Packing of a panel of B: `columns` (at most 32) columns from `source` on, the rest zero.
struct PackCall {
  const std::byte* source;
  int64_t stride;  // In elements.
  bool source_bfloat16;
  bool transposed;
  bool bfloat16;  // The packed type.
  int64_t depth, columns;
  std::byte* panel;
};

/// Layer norm of rows: y = (x - mean) rstd * weight + bias.
struct NormCall {
  const float* x;
  int64_t x_stride;
  int64_t rows, width;
  const float *weight, *bias;
  double eps;
  float *mean, *rstd;  // [rows]: written by the forward pass (unless null), read by the backward.
  std::byte* y;        // Of the compute type; may be null in the backward pass.
  int64_t y_stride;
  bool bfloat16;
};

/// Its gradient: from dy to dx, added to what `dx` holds; y is computed again where asked for.
struct NormGradientCall {
  NormCall norm;
  const float* dy;
  int64_t dy_stride;
  float* dx;
  int64_t dx_stride;
  std::byte* dx_copy;  // dx in the compute type, or null.
  int64_t dx_copy_stride;
  float *weight_gradient, *bias_gradient;  // [width], added to.
};

/// Attention of one head within packed sequences. Row r stands at depth depths[r] of its sequence;
/// with `causal`, it sees the latest rows of every smaller depth before it and itself. Otherwise it
/// sees the whole run of rows from one of depth 0 to the next.
struct AttentionCall {
  const std::byte* qkv;  // [rows, >= 3 width]
  int64_t qkv_stride;
  const int32_t* depths;
  const uint8_t* active;  // Rows whose result is wanted; null: all.
  int64_t begin, end;     // Rows.
  int64_t width, head, head_width;
  int64_t max_depth;  // Of all depths, plus 1.
  bool causal, bfloat16;
  std::byte* out;  // [rows, width]
  int64_t out_stride;
  const std::byte* out_gradient;  // [rows, width]
  int64_t out_gradient_stride;
  std::byte* qkv_gradient;  // [rows, >= 3 width]; every element of the head is written.
  int64_t qkv_gradient_stride;
};

/// The most columns of a ContrastTile.
constexpr int64_t kContrastColumns = 512;

/// A tile of the products of rows of A with columns of B in a contrastive loss. `column_*` arrays
/// are read, and those of statistics written, up to the next multiple of 16 columns.
struct ContrastTile {
  float* products;  // [rows, stride]: the cosines; overwritten.
  int64_t stride;   // At least `columns`, up to the next multiple of 16.
  int64_t rows, columns;
  float scale;                      // From a cosine to a logit in units of log 2.
  int64_t partner;                  // Row r's partner is column r + partner, if there.
  const int32_t *row_a, *column_a;  // Pairs whose numbers in these are equal, or in the
  const int32_t *row_b, *column_b;  // following, do not count; null: none are.
};

/// Merges a tile into the largest logit, and the sum of powers of two relative to it, of each row
/// and each column; partners take no part. In units of log 2.
struct ContrastCall {
  ContrastTile tile;
  float *row_maxima, *row_sums;        // [rows]
  float *column_maxima, *column_sums;  // [columns]
  float* partners;                     // [rows]: the logits of partners, where in the tile.
};

/// Turns a tile into the gradient with respect to its products: 2^(logit - row shift) +
/// 2^(logit - column shift), and `partner_gradients` for partners. Adds to `slope` the sum of each
/// of the two powers times its logit's difference to that of the row's, or column's, partners.
struct ContrastGradientCall {
  ContrastTile tile;
  const float *row_shifts, *row_partners;        // [rows]
  const float *column_shifts, *column_partners;  // [columns]
  const float* partner_gradients;                // [rows]
  double* slope;
};

struct Kernels {
  const char* name;
  int64_t (*gemm_scratch)(int64_t depth, bool bfloat16);  // Bytes.
  void (*gemm)(const GemmCall&, std::byte* scratch);
  void (*pack)(const PackCall&);
  void (*norm)(const NormCall&);
  void (*norm_gradient)(const NormGradientCall&);
  int64_t (*attention_scratch)(int64_t max_depth, int64_t head_width);
  void (*attention)(const AttentionCall&, std::byte* scratch);
  void (*attention_gradient)(const AttentionCall&, std::byte* scratch);
  void (*convert)(const float* from, std::byte* to_bfloat16, int64_t count);
  void (*contrast)(const ContrastCall&);
  void (*contrast_gradient)(const ContrastGradientCall&);
};

extern const Kernels kPortable;
#ifdef PARACLIP_X86
extern const Kernels kAvx2;
extern const Kernels kAvx512;
extern const Kernels kAvx512Bf16;
#endif

/// The best of this machine, or what the environment variable PARACLIP_KERNELS names (portable,
/// avx2, avx512, avx512_bf16) if the machine has it.
const Kernels& active();

/// Makes `kernels` the active ones until the end of the process: for tests.
void use(const Kernels& kernels);

/// All that this machine can run, the best last.
struct KernelList {
  const Kernels* items[4];
  int count;
};
KernelList available();

}  // namespace paraclip::kernels
