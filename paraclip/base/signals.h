#pragma once

namespace paraclip {

/// Makes SIGINT and SIGTERM set a flag instead of killing the process; a second signal kills it.
/// SIGPIPE is ignored.
void install_stop_handler();

/// Whether a stop was asked for. Long work polls it, saves what it has and throws kInterrupted.
bool stop_requested();

}  // namespace paraclip
