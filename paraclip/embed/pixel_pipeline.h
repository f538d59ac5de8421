#pragma once

#include "paraclip/embed/image_source.h"
#include "paraclip/image/decode.h"
#include "paraclip/image/preprocess.h"

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

namespace paraclip {

/// An image that could not be read, and why.
struct BadImage {
  std::string id;
  std::string reason;
};

/// Consecutive samples of one shard, ready for the image tower.
struct PixelBatch {
  size_t shard = 0;
  bool last = false;                 ///< Of its shard. May then hold no samples.
  std::vector<ImageSample> samples;  ///< Without their bytes; only those whose image was read.
  at::Tensor pixels;                 ///< [samples, 3, size, size] of f32.
  std::vector<BadImage> bad;         ///< The others.
};

/// How images are read ahead of the image tower.
struct PixelPipelineOptions {
  int64_t batch_size = 64;  ///< Samples in a batch, those that turn out bad included.
  int workers = 1;          ///< Threads that decode.
  int64_t max_image_pixels = kDefaultMaxPixels;
};

/// Reads, decodes and preprocesses the images of some shards on threads of its own, a few batches
/// ahead of what is taken.
///
/// A batch is cut from the source by position alone: neither the number of threads nor which of
/// them is faster changes what is in it.
class PixelPipeline {
 public:
  /// Begins to read `shards` of `source`, in that order. `source` must live as long.
  PixelPipeline(const ImageSource& source, std::vector<size_t> shards,
                const Preprocessing& preprocessing, const PixelPipelineOptions& options);
  PixelPipeline(const PixelPipeline&) = delete;
  PixelPipeline& operator=(const PixelPipeline&) = delete;
  /// Waits for the images in work, not for those ahead.
  ~PixelPipeline();

  /// Moves `batch` to the next; false after the last. Throws what reading the source threw, in the
  /// place where it did.
  bool next(PixelBatch& batch);

 private:
  struct Slot;
  struct Ticket;

  void work();
  bool take(std::unique_lock<std::mutex>& lock, Ticket& ticket);
  bool read_sample(ImageSample& sample);
  void place(ImageSample sample, Ticket& ticket);
  void finish_slot(bool last);
  void decode(Ticket& ticket) const;

  const ImageSource& source_;
  const std::vector<size_t> shards_;
  const Preprocessing preprocessing_;
  const PixelPipelineOptions options_;

  std::mutex mutex_;
  std::condition_variable room_;   // A slot may be opened, or it is time to stop.
  std::condition_variable ready_;  // The first slot may be complete.
  std::deque<std::shared_ptr<Slot>> slots_;
  std::unique_ptr<SampleReader> reader_;  // Of the shard that is read.
  std::unordered_set<std::string> ids_;   // Of the shard that is read.
  size_t position_ = 0;                   // In shards_.
  bool ended_ = false;                    // Nothing is left to read.
  bool stop_ = false;
  std::exception_ptr failed_;
  std::vector<std::thread> threads_;
};

}  // namespace paraclip
