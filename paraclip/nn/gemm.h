#pragma once

#include "paraclip/nn/bfloat16.h"
#include "paraclip/nn/buffer.h"

#include <cstddef>
#include <cstdint>

namespace paraclip {

/// What a matrix holds. Products of bfloat16 are summed in float32.
enum class NumberType { kFloat32, kBfloat16 };

constexpr int64_t size_of(NumberType type) { return type == NumberType::kFloat32 ? 4 : 2; }

/// The columns of a right factor that the kernels take at once.
constexpr int64_t kPanelColumns = 32;

/// The right factor B of a product A B, copied into the order in which the kernels read it: panels
/// of kPanelColumns columns. Panels can be packed by different threads.
class PackedFactor {
 public:
  /// Makes room for a factor [depth, columns]; keeps its memory when that is enough.
  void resize(NumberType type, int64_t depth, int64_t columns);

  NumberType type() const { return type_; }
  int64_t depth() const { return depth_; }
  int64_t columns() const { return columns_; }
  int64_t panels() const { return (columns_ + kPanelColumns - 1) / kPanelColumns; }

  /// Packs panels [begin, end) from B as it is: the element (k, n) is source[k * stride + n]. From
  /// float32 to either type, or from bfloat16 to bfloat16.
  void pack(const float* source, int64_t stride, int64_t begin, int64_t end);
  void pack(const Bfloat16* source, int64_t stride, int64_t begin, int64_t end);

  /// Packs panels [begin, end) from B transposed: the element (k, n) is source[n * stride + k].
  void pack_transposed(const float* source, int64_t stride, int64_t begin, int64_t end);

  const std::byte* data() const { return data_.data(); }

 private:
  std::byte* panel(int64_t index) const;

  NumberType type_ = NumberType::kFloat32;
  int64_t depth_ = 0, columns_ = 0;
  Buffer data_;
};

/// What a product's result goes through before it is stored.
enum class Epilogue {
  kStore,       ///< result = A B + bias
  kAccumulate,  ///< result += A B; result is float32.
  kAddTo,       ///< result = A B + bias + residual; result and residual are float32.
  kQuickGelu,   ///< h = A B + bias; activated = h sigmoid(1.702 h); result, where given, = h.
  kGelu,        ///< The same with h Phi(h), exactly.
  kQuickGeluGradient,  ///< result = A B * activation'(h); activated, where given, = activation(h).
  kGeluGradient,
};

/// One product A B for some rows of A and some panels of B, computed by the calling thread. Each
/// element is summed in the order of k, whatever rows and panels are asked for.
struct Gemm {
  /// A [rows, depth] of B's type: the element (m, k) is a[m * a_stride + k], or, with a_transposed,
  /// a[k * a_stride + m]. Untransposed bfloat16 needs an even depth.
  const void* a = nullptr;
  int64_t a_stride = 0;
  bool a_transposed = false;
  int64_t rows = 0;

  /// B is rows [depth_begin, depth_end) of the packed factor; the default end is its depth. For
  /// bfloat16 the beginning is even.
  const PackedFactor* b = nullptr;
  int64_t depth_begin = 0, depth_end = -1;

  /// The panels of B to compute; the default end is all. Results are stored at their columns.
  int64_t panel_begin = 0, panel_end = -1;

  Epilogue epilogue = Epilogue::kStore;
  const float* bias = nullptr;  ///< [columns], or none.

  /// [rows, columns]. Of `result_type`.
  void* result = nullptr;
  int64_t result_stride = 0;
  NumberType result_type = NumberType::kFloat32;

  const float* residual = nullptr;  ///< [rows, columns], kAddTo.
  int64_t residual_stride = 0;

  const void* hidden = nullptr;  ///< h [rows, columns] of B's type, for the gradients.
  int64_t hidden_stride = 0;
  void* activated = nullptr;  ///< [rows, columns] of B's type.
  int64_t activated_stride = 0;

  /// With a_transposed: where the sums of A's rows over k go, [rows]; added to what is there with
  /// kAccumulate. The gradient of a bias.
  float* row_sums = nullptr;
};

void gemm(const Gemm& product);

}  // namespace paraclip
