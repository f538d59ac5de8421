#include "paraclip/train/mpi_communicator.h"

#include "paraclip/base/error.h"
#include "paraclip/base/log.h"

#include <mpi.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace paraclip {
namespace {

[[noreturn]] void end_all(int rank, int size, const char* message, int code) {
  char host[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(host, &length);
  log().error("rank {} of {} on {} ends the run: {}", rank, size, host, message);
  log().flush();
  MPI_Abort(MPI_COMM_WORLD, code);
  std::abort();  // MPI_Abort does not come back.
}

}  // namespace

MpiCommunicator::MpiCommunicator() {
  int provided = 0;  // Of threads: only this one calls MPI, which every MPI provides for.
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

MpiCommunicator::~MpiCommunicator() { MPI_Finalize(); }

// MPI's own waiting spins, which would take a core from rank 0 while it evaluates or writes.
void MpiCommunicator::barrier() {
  MPI_Request request;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  int done = 0;
  for (MPI_Test(&request, &done, MPI_STATUS_IGNORE); done == 0;
       MPI_Test(&request, &done, MPI_STATUS_IGNORE)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void MpiCommunicator::run(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInterrupted) throw;
    end_all(rank_, size_, error.what(), exit_code(error.kind()));
  } catch (const std::exception& error) {
    end_all(rank_, size_, error.what(), EXIT_FAILURE);
  }
}

void MpiCommunicator::gather(const std::byte* local, std::byte* all, int bytes) {
  MPI_Allgather(local, bytes, MPI_BYTE, all, bytes, MPI_BYTE, MPI_COMM_WORLD);
}

void MpiCommunicator::exchange(const std::byte* outgoing, std::byte* incoming, int bytes) {
  MPI_Alltoall(outgoing, bytes, MPI_BYTE, incoming, bytes, MPI_BYTE, MPI_COMM_WORLD);
}

}  // namespace paraclip
