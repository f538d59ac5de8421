#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace paraclip {

/// How far a long piece of work has come.
struct ProgressState {
  std::string label;   ///< What is being done: "paraphrase, step 1".
  std::string unit;    ///< What is counted, in the plural: "captions".
  int64_t done = 0;    ///< Counted so far.
  int64_t total = 0;   ///< Expected in all; 0 if unknown.
  std::string detail;  ///< Something worth showing beside it: "loss 1.234".
};

/// Receives progress; called often, from one thread at a time. An empty function is allowed:
/// nothing is shown.
using ProgressCallback = std::function<void(const ProgressState&)>;

/// Shows progress on stderr: one line redrawn in place with rate and time left on a terminal, a
/// plain line every few seconds otherwise.
class ProgressPrinter {
 public:
  ProgressPrinter();
  /// Ends the line in place, if one is shown.
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  void operator()(const ProgressState& state);

  /// Ends the line in place so that other output can follow.
  void end_line();

 private:
  using Clock = std::chrono::steady_clock;

  bool terminal_;
  bool line_open_ = false;
  std::string label_;
  Clock::time_point started_;
  Clock::time_point shown_;
  int64_t first_done_ = 0;
};

/// One line of progress, at most `width` columns: "label 120/500 captions, 12.3/s, 0:31 left,
/// detail". `seconds` have passed since `since` were done.
std::string progress_line(const ProgressState& state, int64_t since, double seconds, size_t width);

}  // namespace paraclip
