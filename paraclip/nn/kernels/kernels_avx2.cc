#include "paraclip/nn/kernels/kernels_impl.h"

namespace paraclip::kernels {

const Kernels kAvx2 = table_named("avx2");

}  // namespace paraclip::kernels
