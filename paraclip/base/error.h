#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace paraclip {

/// What went wrong, as far as a caller can act on it. Decides the exit code of the program.
enum class ErrorKind {
  kUsage,        ///< The caller asked for something that cannot be done: a bad option or argument.
  kData,         ///< A file or record is malformed, inconsistent or does not fit the model.
  kIo,           ///< The operating system refused: missing file, no permission, disk full.
  kNetwork,      ///< A server could not be reached or kept failing.
  kNumeric,      ///< A computation left the finite numbers.
  kInterrupted,  ///< The user or the system asked the program to stop.
};

/// The one exception of the library, for what users or data do wrong. Programming errors are
/// assertions.
///
/// A message says what was being done, to which object, what was found, what was expected, what to
/// do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// The program's exit code for `kind`: 2 usage, 3 data and files, 4 network, 5 numeric, 130
/// interrupted.
int exit_code(ErrorKind kind);

/// Throws an Error with a formatted message.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace paraclip
