#pragma once

#include <spdlog/spdlog.h>

namespace paraclip {

/// The library's logger. Silent until the program gives it a sink: a library does not print.
spdlog::logger& log();

}  // namespace paraclip
