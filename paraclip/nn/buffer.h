#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace paraclip {

/// Memory for kernels, aligned to a cache line. It grows, and is kept for the next use.
class Buffer {
 public:
  /// Makes room for `bytes`; what was there is lost where that is more than before. Throws
  /// std::bad_alloc.
  std::byte* resize(size_t bytes) {
    if (bytes > capacity_) {
      data_.reset();
      capacity_ = 0;
      constexpr size_t kLine = 64;
      const size_t rounded = (bytes + kLine - 1) / kLine * kLine;
      data_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, rounded)));
      if (!data_) throw std::bad_alloc();
      capacity_ = rounded;
    }
    return data_.get();
  }

  std::byte* data() const { return data_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte[], Free> data_;
  size_t capacity_ = 0;
};

}  // namespace paraclip
