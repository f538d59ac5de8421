#pragma once

#include <string>
#include <string_view>

namespace paraclip {

/// What a tower computes in. Weights and results are float32 either way.
enum class Precision {
  kFp32,
  kBf16,  ///< Matrix products, attention and the residual stream in bfloat16; norms inside in
          ///< float.
};

/// The precision called "fp32" or "bf16". Throws kUsage.
Precision parse_precision(std::string_view name);
std::string to_string(Precision precision);

}  // namespace paraclip
