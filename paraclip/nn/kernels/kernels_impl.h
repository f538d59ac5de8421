// All kernels for one instruction set: each of the files that include this one is compiled for
// another and names its table in PARACLIP_KERNELS_TABLE.
#pragma once

#include "paraclip/nn/kernels/attention_impl.h"
#include "paraclip/nn/kernels/contrast_impl.h"
#include "paraclip/nn/kernels/gemm_impl.h"
#include "paraclip/nn/kernels/rows_impl.h"

namespace paraclip::kernels {
namespace {

constexpr Kernels table_named(const char* name) {
  return {name,
          gemm_scratch,
          gemm,
          pack,
          norm,
          norm_gradient,
          attention_scratch,
          attention,
          attention_gradient,
          convert,
          contrast,
          contrast_gradient};
}

}  // namespace
}  // namespace paraclip::kernels
