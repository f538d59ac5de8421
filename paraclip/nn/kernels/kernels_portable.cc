#include "paraclip/nn/kernels/kernels_impl.h"

namespace paraclip::kernels {

const Kernels kPortable = table_named("portable");

}  // namespace paraclip::kernels
