#include "paraclip/base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace paraclip {
namespace {

constexpr auto kTerminalInterval = std::chrono::milliseconds(200);
constexpr auto kPlainInterval = std::chrono::seconds(10);

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string progress_line(const ProgressState& state, int64_t since, double seconds, size_t width) {
  std::string line =
      state.total > 0 ? fmt::format("{} {}/{} {}", state.label, state.done, state.total, state.unit)
                      : fmt::format("{} {} {}", state.label, state.done, state.unit);
  const auto worked = static_cast<double>(state.done - since);
  if (worked > 0 && seconds > 0) {
    const double rate = worked / seconds;
    line += rate >= 10 ? fmt::format(", {:.0f}/s", rate) : fmt::format(", {:.2f}/s", rate);
    if (state.total > state.done) {
      line += fmt::format(", {} left",
                          clock_text(static_cast<double>(state.total - state.done) / rate));
    }
  }
  if (!state.detail.empty()) line += ", " + state.detail;
  if (line.size() > width) {
    // Not between the bytes of one UTF-8 character.
    while (width > 0 && (static_cast<unsigned char>(line[width]) & 0xC0) == 0x80) --width;
    line.resize(width);
  }
  return line;
}

ProgressPrinter::ProgressPrinter() : terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressPrinter::~ProgressPrinter() { end_line(); }

void ProgressPrinter::end_line() {
  if (line_open_) std::fputc('\n', stderr);
  line_open_ = false;
}

void ProgressPrinter::operator()(const ProgressState& state) {
  const auto now = Clock::now();
  if (state.label != label_) {
    end_line();
    label_ = state.label;
    started_ = shown_ = now;
    first_done_ = state.done;
  }
  const bool last = state.total > 0 && state.done >= state.total;
  const Clock::duration interval =
      terminal_ ? Clock::duration(kTerminalInterval) : Clock::duration(kPlainInterval);
  if (now - shown_ < interval && !last) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  const size_t width = terminal_ ? std::max<size_t>(20, terminal_width()) - 1 : 200;
  const std::string line = progress_line(state, first_done_, seconds, width);
  if (terminal_) {
    fmt::print(stderr, "\r{}\033[K", line);
    line_open_ = true;
    if (last) end_line();
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace paraclip
