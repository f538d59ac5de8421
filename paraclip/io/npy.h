#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>

namespace paraclip {

/// The array in the NumPy file `path` (.npy, format 1.0 to 3.0: numpy/lib/format.py), on the CPU.
///
/// Little-endian f16, f32, f64, i64, i32 and u8 are read, in C order. The result is a view of the
/// mapped file where its address is aligned (numpy writes it so), a copy otherwise; the view keeps
/// the mapping alive, and writing to it kills the process: clone() what shall be changed. A header
/// of more than 10,000 bytes is refused, as numpy does. Throws kIo; kData for a file that is
/// malformed, truncated, of another type (big-endian, pickled objects, ...) or in Fortran order.
at::Tensor read_npy(const std::filesystem::path& path);

/// Writes `array` (f16, f32 or i64; any device, any strides) to `path` in format 1.0, data aligned
/// to 64 bytes. The file appears only when it is complete. Throws kUsage for another type; kIo.
void write_npy(const std::filesystem::path& path, const at::Tensor& array);

}  // namespace paraclip
