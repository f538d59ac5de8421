#include "paraclip/nn/kernels/kernels_impl.h"

namespace paraclip::kernels {

const Kernels kAvx512Bf16 = table_named("avx512_bf16");

}  // namespace paraclip::kernels
