#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace paraclip {

/// The processes that train one model together: ranks 0 to size() - 1. Every function but rank()
/// and size() is collective: all ranks call it, in the same order and with equal sizes, from the
/// thread that made the communicator.
///
/// Sums are taken in the order of the ranks, so they are the same bytes in every run and on every
/// rank.
class Communicator {
 public:
  virtual ~Communicator() = default;

  /// The processes that mpirun or srun started, or this process alone where neither did. Throws
  /// kUsage when several were started but cannot talk to each other.
  static std::unique_ptr<Communicator> create();

  /// This process alone.
  static std::unique_ptr<Communicator> single();

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// all[r * local.size() + i] = local[i] of rank r. `all` holds size() * local.size() elements.
  template <class T>
  void all_gather(std::span<const T> local, std::span<T> all) {
    static_assert(std::is_trivially_copyable_v<T>);
    gather_pieces(std::as_bytes(local), std::as_writable_bytes(all));
  }

  /// One value of every rank.
  template <class T>
  std::vector<T> all_gather(const T& value) {
    std::vector<T> all(static_cast<size_t>(size()));
    all_gather(std::span<const T>(&value, 1), std::span<T>(all));
    return all;
  }

  /// One text of every rank.
  std::vector<std::string> all_gather(const std::string& text);

  /// Whether any rank says so.
  bool any(bool value);

  /// values[i] = the sum over all ranks.
  void all_reduce_sum(std::span<float> values);
  void all_reduce_sum(std::span<double> values);

  /// local[i] = the sum over all ranks of all[rank() * local.size() + i]. `all` holds size() *
  /// local.size() elements.
  void reduce_scatter_sum(std::span<const float> all, std::span<float> local);

  /// Gives every rank the text of rank 0.
  void broadcast(std::string& text);

  /// Waits, without using the processor, until all ranks have come here.
  virtual void barrier() = 0;

  /// Does `work`, in which all ranks take part. What it throws on one rank would leave the others
  /// waiting for it, so it ends them all, with a message that names the rank; only kInterrupted, on
  /// which the ranks agree, is thrown on. A process alone throws whatever `work` throws.
  virtual void run(const std::function<void()>& work) = 0;

 protected:
  /// Gathers `bytes` bytes of every rank, in the order of the ranks.
  virtual void gather(const std::byte* local, std::byte* all, int bytes) = 0;

  /// Sends bytes [r * bytes, (r + 1) * bytes) of `outgoing` to rank r; what rank r sent comes to
  /// the same place of `incoming`.
  virtual void exchange(const std::byte* outgoing, std::byte* incoming, int bytes) = 0;

 private:
  void gather_pieces(std::span<const std::byte> local, std::span<std::byte> all);
  template <class T>
  void add_shares(std::span<const T> all, std::span<T> incoming, std::span<T> local);
  template <class T>
  void all_reduce(std::span<T> values);
};

}  // namespace paraclip
