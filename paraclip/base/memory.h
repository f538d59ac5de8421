#pragma once

#include <cstdint>

namespace paraclip {

/// Bytes of memory that this process has in use now (resident, of /proc/self/statm); 0 where the
/// system does not tell.
int64_t resident_bytes();

}  // namespace paraclip
