#pragma once

#include "paraclip/train/communicator.h"

namespace paraclip {

/// The processes of MPI's world, which there may be one of in a process. Built where MPI is
/// (PARACLIP_MPI).
class MpiCommunicator : public Communicator {
 public:
  /// Starts MPI. MPI itself ends the program where that fails, and wherever it fails later.
  MpiCommunicator();

  /// Ends MPI, when all ranks have come here.
  ~MpiCommunicator() override;

  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void barrier() override;
  void run(const std::function<void()>& work) override;

 protected:
  void gather(const std::byte* local, std::byte* all, int bytes) override;
  void exchange(const std::byte* outgoing, std::byte* incoming, int bytes) override;

 private:
  int rank_ = 0, size_ = 1;
};

}  // namespace paraclip
