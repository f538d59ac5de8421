#include "paraclip/nn/gemm.h"

#include "paraclip/nn/kernels/kernels.h"

#include <algorithm>
#include <cassert>

namespace paraclip {
namespace {

int64_t panel_bytes(NumberType type, int64_t depth) {
  const int64_t units = type == NumberType::kBfloat16 ? (depth + 1) / 2 : depth;
  return units * kPanelColumns * 4;
}

std::byte* scratch(size_t bytes) {
  thread_local Buffer memory;
  return memory.resize(bytes);
}

// Units of k that a long sum is cut into, so that a tile and a panel stay in the caches.
constexpr int64_t kPieceUnits = 768;

void run(const Gemm& p) {
  const PackedFactor& b = *p.b;
  const bool bf16 = b.type() == NumberType::kBfloat16;
  const int64_t depth = p.depth_end - p.depth_begin;
  assert(!bf16 || p.depth_begin % 2 == 0);
  assert(!bf16 || p.a_transposed || depth % 2 == 0);
  if (p.rows == 0) return;
  kernels::GemmCall call{};
  call.a = static_cast<const std::byte*>(p.a);
  call.a_stride = p.a_stride;
  call.a_transposed = p.a_transposed;
  call.rows = p.rows;
  call.depth = depth;
  call.bfloat16 = bf16;
  call.b = b.data() + panel_bytes(b.type(), p.depth_begin);
  call.b_panel_bytes = panel_bytes(b.type(), b.depth());
  call.panel_begin = p.panel_begin;
  call.panel_end = p.panel_end < 0 ? b.panels() : p.panel_end;
  call.columns = b.columns();
  call.epilogue = static_cast<int>(p.epilogue);
  call.bias = p.bias;
  call.result = static_cast<std::byte*>(p.result);
  call.result_stride = p.result_stride;
  call.result_bfloat16 = p.result_type == NumberType::kBfloat16;
  call.residual = p.residual;
  call.residual_stride = p.residual_stride;
  call.hidden = static_cast<const std::byte*>(p.hidden);
  call.hidden_stride = p.hidden_stride;
  call.activated = static_cast<std::byte*>(p.activated);
  call.activated_stride = p.activated_stride;
  call.row_sums = p.row_sums;
  const kernels::Kernels& kernels = kernels::active();
  kernels.gemm(call, scratch(static_cast<size_t>(kernels.gemm_scratch(depth, bf16))));
}

}  // namespace

void PackedFactor::resize(NumberType type, int64_t depth, int64_t columns) {
  type_ = type;
  depth_ = depth;
  columns_ = columns;
  data_.resize(static_cast<size_t>(panels() * panel_bytes(type, depth)));
}

std::byte* PackedFactor::panel(int64_t index) const {
  return data_.data() + index * panel_bytes(type_, depth_);
}

void PackedFactor::pack(const float* source, int64_t stride, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) {
    const int64_t first = index * kPanelColumns;
    kernels::active().pack({reinterpret_cast<const std::byte*>(source + first), stride,
                            /*source_bfloat16=*/false, /*transposed=*/false,
                            type_ == NumberType::kBfloat16, depth_,
                            std::min(kPanelColumns, columns_ - first), panel(index)});
  }
}

void PackedFactor::pack(const Bfloat16* source, int64_t stride, int64_t begin, int64_t end) {
  assert(type_ == NumberType::kBfloat16);
  for (int64_t index = begin; index < end; ++index) {
    const int64_t first = index * kPanelColumns;
    kernels::active().pack({reinterpret_cast<const std::byte*>(source + first), stride,
                            /*source_bfloat16=*/true, /*transposed=*/false, /*bfloat16=*/true,
                            depth_, std::min(kPanelColumns, columns_ - first), panel(index)});
  }
}

void PackedFactor::pack_transposed(const float* source, int64_t stride, int64_t begin,
                                   int64_t end) {
  for (int64_t index = begin; index < end; ++index) {
    const int64_t first = index * kPanelColumns;
    kernels::active().pack({reinterpret_cast<const std::byte*>(source + first * stride), stride,
                            /*source_bfloat16=*/false, /*transposed=*/true,
                            type_ == NumberType::kBfloat16, depth_,
                            std::min(kPanelColumns, columns_ - first), panel(index)});
  }
}

void gemm(const Gemm& product) {
  Gemm piece = product;
  if (piece.depth_end < 0) piece.depth_end = product.b->depth();
  const int64_t end = piece.depth_end;
  const int64_t step = kPieceUnits * (product.b->type() == NumberType::kBfloat16 ? 2 : 1);
  if (product.epilogue != Epilogue::kAccumulate) return run(piece);
  const int64_t a_step = (product.a_transposed ? product.a_stride : 1) * size_of(product.b->type());
  for (; piece.depth_begin < end; piece.depth_begin += step) {
    piece.depth_end = std::min(piece.depth_begin + step, end);
    piece.a = static_cast<const std::byte*>(product.a) +
              (piece.depth_begin - product.depth_begin) * a_step;
    run(piece);
  }
}

}  // namespace paraclip
