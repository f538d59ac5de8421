#pragma once

#include "paraclip/train/objective.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace paraclip {

/// The batches of consecutive steps, prepared in a thread of its own while those before are
/// computed.
class BatchQueue {
 public:
  using Prepare = std::function<std::unique_ptr<PreparedBatch>(int64_t step)>;

  /// Begins to prepare the batches of the steps [first, end) in order, at most `capacity` ahead of
  /// take(). `prepare` runs in the other thread.
  BatchQueue(Prepare prepare, int64_t first, int64_t end, size_t capacity = 2);
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  /// Waits for the batch that is being prepared, if any, and drops what was not taken.
  ~BatchQueue();

  /// The batch of the next step; waits for it. Must not be called more often than there are steps.
  /// Throws what preparing this batch threw, after which there are no more.
  std::unique_ptr<PreparedBatch> take();

  /// Seconds that take() has waited, in all.
  double waited() const { return waited_; }

 private:
  void work(int64_t first, int64_t end);

  Prepare prepare_;
  size_t capacity_;
  double waited_ = 0;

  std::mutex mutex_;  // Of the three below.
  std::deque<std::unique_ptr<PreparedBatch>> ready_;
  std::exception_ptr error_;
  bool stopping_ = false;

  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace paraclip
