#include "paraclip/train/batch_queue.h"

#include <chrono>
#include <utility>

namespace paraclip {

BatchQueue::BatchQueue(Prepare prepare, int64_t first, int64_t end, size_t capacity)
    : prepare_(std::move(prepare)),
      capacity_(capacity),
      thread_([this, first, end] { work(first, end); }) {}

BatchQueue::~BatchQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::unique_ptr<PreparedBatch> BatchQueue::take() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty() || error_; });
  waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (ready_.empty()) std::rethrow_exception(error_);
  std::unique_ptr<PreparedBatch> batch = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return batch;
}

void BatchQueue::work(int64_t first, int64_t end) {
  for (int64_t step = first; step < end; ++step) {
    std::unique_ptr<PreparedBatch> batch;
    std::exception_ptr error;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || ready_.size() < capacity_; });
      if (stopping_) return;
    }
    try {
      batch = prepare_(step);
    } catch (...) {
      error = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      error_ = error;
      if (!error) ready_.push_back(std::move(batch));
    }
    changed_.notify_all();
    if (error) return;
  }
}

}  // namespace paraclip
