#include "paraclip/nn/kernels/kernels_impl.h"

namespace paraclip::kernels {

const Kernels kAvx512 = table_named("avx512");

}  // namespace paraclip::kernels
