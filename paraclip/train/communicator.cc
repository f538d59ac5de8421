#include "paraclip/train/communicator.h"

#include "paraclip/base/error.h"
#include "paraclip/train/mpi_communicator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace paraclip {
namespace {

// What one message to all ranks holds at most: large enough for the bandwidth, small enough for the
// buffers, and far below the 2^31 of MPI's counts.
constexpr size_t kPieceBytes = size_t{16} << 20;

// The elements of size `element` that a rank contributes to one piece.
size_t share_of_piece(size_t ranks, size_t element) {
  return std::max<size_t>(1, kPieceBytes / element / ranks);
}

class SingleCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  void run(const std::function<void()>& work) override { work(); }

 protected:
  void gather(const std::byte* local, std::byte* all, int bytes) override {
    std::memcpy(all, local, static_cast<size_t>(bytes));
  }
  void exchange(const std::byte* outgoing, std::byte* incoming, int bytes) override {
    std::memcpy(incoming, outgoing, static_cast<size_t>(bytes));
  }
};

// How many processes the launcher started, as far as the environment tells; 0 for no launcher.
// Open MPI's mpirun, PMI (other MPIs' launchers, srun --mpi=pmi2) and srun set these.
int64_t started_together() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    if (const char* value = std::getenv(name)) return std::max(1L, std::atol(value));
  }
  return 0;
}

}  // namespace

std::unique_ptr<Communicator> Communicator::single() {
  return std::make_unique<SingleCommunicator>();
}

std::unique_ptr<Communicator> Communicator::create() {
  const int64_t started = started_together();
  if (started <= 1) return single();
#ifdef PARACLIP_MPI
  auto communicator = std::make_unique<MpiCommunicator>();
  if (communicator->size() == started) return communicator;
  fail(ErrorKind::kUsage,
       "{} processes were started together, but MPI sees {}: start them with the mpirun of the MPI "
       "that paraclip was built with, or with srun --mpi=pmix",
       started, communicator->size());
#else
  fail(ErrorKind::kUsage,
       "{} processes were started together, but paraclip was built without MPI; build it with "
       "-DPARACLIP_MPI=ON",
       started);
#endif
}

void Communicator::gather_pieces(std::span<const std::byte> local, std::span<std::byte> all) {
  const auto ranks = static_cast<size_t>(size());
  const size_t largest = share_of_piece(ranks, /*element=*/1);
  if (local.size() <= largest) {
    gather(local.data(), all.data(), static_cast<int>(local.size()));
    return;
  }
  std::vector<std::byte> piece(largest * ranks);
  for (size_t begin = 0; begin < local.size(); begin += largest) {
    const size_t count = std::min(largest, local.size() - begin);
    gather(local.data() + begin, piece.data(), static_cast<int>(count));
    for (size_t r = 0; r < ranks; ++r) {
      std::memcpy(all.data() + r * local.size() + begin, piece.data() + r * count, count);
    }
  }
}

std::vector<std::string> Communicator::all_gather(const std::string& text) {
  const std::vector<size_t> lengths = all_gather(text.size());
  std::string padded = text;
  padded.resize(*std::max_element(lengths.begin(), lengths.end()));
  std::string all(padded.size() * lengths.size(), '\0');
  all_gather(std::span<const char>(padded), std::span<char>(all));
  std::vector<std::string> texts;
  for (size_t r = 0; r < lengths.size(); ++r) {
    texts.push_back(all.substr(r * padded.size(), lengths[r]));
  }
  return texts;
}

bool Communicator::any(bool value) {
  const std::vector<char> all = all_gather(static_cast<char>(value));
  return std::find(all.begin(), all.end(), 1) != all.end();
}

// local = the sum, rank by rank, of what they hold for this one; `all` holds a share for every
// rank.
template <class T>
void Communicator::add_shares(std::span<const T> all, std::span<T> incoming, std::span<T> local) {
  exchange(std::as_bytes(all).data(), std::as_writable_bytes(incoming).data(),
           static_cast<int>(local.size_bytes()));
  std::copy_n(incoming.begin(), local.size(), local.begin());
  for (size_t from = local.size(); from < all.size(); from += local.size()) {
    for (size_t i = 0; i < local.size(); ++i) local[i] += incoming[from + i];
  }
}

// Each rank sums its share of a piece, and all gather the shares: all ranks see the same bytes.
template <class T>
void Communicator::all_reduce(std::span<T> values) {
  const auto ranks = static_cast<size_t>(size());
  if (ranks == 1) return;
  std::vector<T> whole, incoming, sums;
  while (!values.empty()) {
    const size_t share =
        std::min((values.size() + ranks - 1) / ranks, share_of_piece(ranks, sizeof(T)));
    const size_t count = std::min(values.size(), share * ranks);
    whole.assign(share * ranks, T{0});
    incoming.resize(share * ranks);
    sums.resize(share);
    std::copy_n(values.begin(), count, whole.begin());
    add_shares<T>(whole, incoming, sums);
    gather_pieces(std::as_bytes(std::span(sums)), std::as_writable_bytes(std::span(whole)));
    std::copy_n(whole.begin(), count, values.begin());
    values = values.subspan(count);
  }
}

void Communicator::all_reduce_sum(std::span<float> values) { all_reduce(values); }
void Communicator::all_reduce_sum(std::span<double> values) { all_reduce(values); }

void Communicator::reduce_scatter_sum(std::span<const float> all, std::span<float> local) {
  const auto ranks = static_cast<size_t>(size());
  const size_t largest = share_of_piece(ranks, sizeof(float));
  std::vector<float> outgoing, incoming;
  for (size_t begin = 0; begin < local.size(); begin += largest) {
    const size_t count = std::min(largest, local.size() - begin);
    outgoing.resize(count * ranks);
    incoming.resize(count * ranks);
    for (size_t r = 0; r < ranks; ++r) {
      std::copy_n(all.begin() + static_cast<ptrdiff_t>(r * local.size() + begin), count,
                  outgoing.begin() + static_cast<ptrdiff_t>(r * count));
    }
    add_shares<float>(outgoing, incoming, local.subspan(begin, count));
  }
}

void Communicator::broadcast(std::string& text) { text = all_gather(text).front(); }

}  // namespace paraclip
