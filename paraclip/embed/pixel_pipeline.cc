#include "paraclip/embed/pixel_pipeline.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"

#include <ATen/ATen.h>

#include <utility>

namespace paraclip {
namespace {

// Batches that are complete or being filled, besides the one that the image tower works on.
constexpr size_t kBatchesAhead = 2;
constexpr size_t kMaxFile = size_t{256} << 20;

}  // namespace

// A batch that is being filled.
struct PixelPipeline::Slot {
  size_t shard = 0;
  bool closed = false;  // It will get no further samples.
  bool last = false;
  size_t pending = 0;  // Samples that threads work on.
  at::Tensor pixels;
  std::vector<ImageSample> samples;  // Those that threads work on are moved out meanwhile.
};

// A sample in the hands of a thread.
struct PixelPipeline::Ticket {
  std::shared_ptr<Slot> slot;
  size_t row = 0;
  ImageSample sample;
};

PixelPipeline::PixelPipeline(const ImageSource& source, std::vector<size_t> shards,
                             const Preprocessing& preprocessing,
                             const PixelPipelineOptions& options)
    : source_(source),
      shards_(std::move(shards)),
      preprocessing_(preprocessing),
      options_(options),
      ended_(shards_.empty()) {
  for (int i = 0; i < options.workers; ++i) threads_.emplace_back([this] { work(); });
}

PixelPipeline::~PixelPipeline() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void PixelPipeline::work() {
  std::unique_lock lock(mutex_);
  for (Ticket ticket; take(lock, ticket);) {
    lock.unlock();
    decode(ticket);
    lock.lock();
    Slot& slot = *ticket.slot;
    slot.samples[ticket.row] = std::move(ticket.sample);
    if (--slot.pending == 0 && slot.closed) ready_.notify_one();
  }
}

// Takes the next sample that needs decoding, when there is room for it; false at the end.
bool PixelPipeline::take(std::unique_lock<std::mutex>& lock, Ticket& ticket) {
  for (;;) {
    const auto open = [this] { return !slots_.empty() && !slots_.back()->closed; };
    room_.wait(lock, [&] { return stop_ || ended_ || open() || slots_.size() < kBatchesAhead; });
    if (stop_ || ended_) return false;
    try {
      ImageSample sample;
      if (!read_sample(sample)) continue;
      place(std::move(sample), ticket);
      return true;
    } catch (...) {
      failed_ = std::current_exception();
      ended_ = true;
      room_.notify_all();
      ready_.notify_one();
      return false;
    }
  }
}

// Reads the next sample of the shard; at its end closes the batch and moves on.
bool PixelPipeline::read_sample(ImageSample& sample) {
  if (slots_.empty() || slots_.back()->closed) {
    auto slot = std::make_shared<Slot>();
    const int64_t size = preprocessing_.image_size;
    slot->shard = shards_[position_];
    slot->pixels = at::empty({options_.batch_size, 3, size, size}, at::kFloat);
    slots_.push_back(std::move(slot));
  }
  if (!reader_) reader_ = source_.open(shards_[position_]);
  if (reader_->next(sample)) return true;
  reader_.reset();
  ids_.clear();
  ended_ = ++position_ == shards_.size();
  finish_slot(/*last=*/true);
  return false;
}

void PixelPipeline::place(ImageSample sample, Ticket& ticket) {
  if (sample.problem.empty() && !ids_.insert(sample.id).second) {
    sample.problem = "an earlier image of the shard has the same id";
  }
  const std::shared_ptr<Slot>& slot = slots_.back();
  ticket.slot = slot;
  ticket.row = slot->samples.size();
  ticket.sample = std::move(sample);
  slot->samples.emplace_back();
  ++slot->pending;
  if (slot->samples.size() == static_cast<size_t>(options_.batch_size)) {
    finish_slot(/*last=*/false);
  }
}

void PixelPipeline::finish_slot(bool last) {
  Slot& slot = *slots_.back();
  slot.closed = true;
  slot.last = last;
  room_.notify_all();
  ready_.notify_one();
}

void PixelPipeline::decode(Ticket& ticket) const {
  ImageSample& sample = ticket.sample;
  const int64_t size = preprocessing_.image_size;
  const auto numbers = static_cast<size_t>(3 * size * size);
  float* out = ticket.slot->pixels.mutable_data_ptr<float>() + ticket.row * numbers;
  if (!sample.problem.empty()) return;
  try {
    std::shared_ptr<const MappedFile> file;
    std::span<const std::byte> bytes = std::as_bytes(std::span(sample.bytes));
    if (!sample.file.empty()) {
      file = MappedFile::open(sample.file);
      bytes = file->bytes();
      if (bytes.size() > kMaxFile) {
        fail(ErrorKind::kData, "{}: the file is too large", sample.where);
      }
    }
    const Image image = decode_image(bytes, sample.where, options_.max_image_pixels);
    preprocess(image, preprocessing_, std::span(out, numbers));
  } catch (const std::exception& error) {
    sample.problem = error.what();
    const std::string where = sample.where + ": ";
    if (sample.problem.starts_with(where)) sample.problem.erase(0, where.size());
  }
  sample.bytes = std::string();
}

bool PixelPipeline::next(PixelBatch& batch) {
  std::shared_ptr<Slot> slot;
  {
    std::unique_lock lock(mutex_);
    const auto complete = [this] {
      return !slots_.empty() && slots_.front()->closed && slots_.front()->pending == 0;
    };
    ready_.wait(lock, [&] {
      return complete() || (ended_ && (slots_.empty() || !slots_.front()->closed));
    });
    if (!complete()) {
      if (failed_) std::rethrow_exception(failed_);
      return false;
    }
    slot = std::move(slots_.front());
    slots_.pop_front();
  }
  room_.notify_all();
  batch = PixelBatch{};
  batch.shard = slot->shard;
  batch.last = slot->last;
  std::vector<int64_t> good;
  for (size_t row = 0; row < slot->samples.size(); ++row) {
    ImageSample& sample = slot->samples[row];
    if (sample.problem.empty()) {
      good.push_back(static_cast<int64_t>(row));
      batch.samples.push_back(std::move(sample));
    } else {
      batch.bad.push_back({std::move(sample.id), std::move(sample.problem)});
    }
  }
  batch.pixels = batch.bad.empty() ? slot->pixels.narrow(0, 0, static_cast<int64_t>(good.size()))
                                   : slot->pixels.index_select(0, at::tensor(good, at::kLong));
  return true;
}

}  // namespace paraclip
