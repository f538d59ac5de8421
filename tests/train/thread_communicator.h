#pragma once

#include "paraclip/train/communicator.h"

#include <barrier>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

namespace paraclip::test {

/// Ranks that are threads of this process.
class ThreadRanks {
 public:
  /// Calls `work` for each of `size` ranks at once, and waits for all.
  static void run(int size, const std::function<void(Communicator&)>& work) {
    ThreadRanks ranks(size);
    std::vector<std::thread> threads;
    for (int r = 0; r < size; ++r) {
      threads.emplace_back([&ranks, &work, r] {
        Rank rank(ranks, r);
        work(rank);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  class Rank : public Communicator {
   public:
    Rank(ThreadRanks& ranks, int rank) : ranks_(ranks), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return static_cast<int>(ranks_.sent_.size()); }
    void barrier() override { ranks_.barrier_.arrive_and_wait(); }
    void run(const std::function<void()>& work) override { work(); }

   protected:
    void gather(const std::byte* local, std::byte* all, int bytes) override {
      receive(local, all, bytes, /*offset=*/0);
    }
    void exchange(const std::byte* outgoing, std::byte* incoming, int bytes) override {
      receive(outgoing, incoming, bytes, rank_ * bytes);
    }

   private:
    void receive(const std::byte* outgoing, std::byte* incoming, int bytes, int offset) {
      ranks_.sent_[static_cast<size_t>(rank_)] = outgoing;
      barrier();
      for (const std::byte* from : ranks_.sent_) {
        std::memcpy(incoming, from + offset, static_cast<size_t>(bytes));
        incoming += bytes;
      }
      barrier();
    }

    ThreadRanks& ranks_;
    int rank_;
  };

  explicit ThreadRanks(int size) : barrier_(size), sent_(static_cast<size_t>(size)) {}

  std::barrier<> barrier_;
  std::vector<const std::byte*> sent_;
};

}  // namespace paraclip::test
