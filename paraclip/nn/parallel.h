#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace paraclip {

/// Calls body(task) for every task in [0, count), on libtorch's threads; each takes the next task
/// when it is done with one. Inside another parallel region, the calling thread does them all.
template <class Body>
void parallel_tasks(int64_t count, const Body& body) {
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(task);
  };
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), count);
  if (threads <= 1 || at::in_parallel_region()) return work();
  at::parallel_for(0, threads, /*grain_size=*/1, [&](int64_t, int64_t) { work(); });
}

/// The part of [0, count) that is `share` of `shares`.
struct Range {
  int64_t begin, end;
};
inline Range share_of(int64_t count, int64_t share, int64_t shares) {
  return {count * share / shares, count * (share + 1) / shares};
}

}  // namespace paraclip
