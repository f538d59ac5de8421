#pragma once

#include "paraclip/eval/benchmark.h"

namespace paraclip {

// What loads each benchmark; registry.cc puts them in order and gives them their names.

}  // namespace paraclip
