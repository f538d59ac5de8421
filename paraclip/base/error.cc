#include "paraclip/base/error.h"

namespace paraclip {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage: return 2;
    case ErrorKind::kData: return 3;
    case ErrorKind::kIo: return 3;
    case ErrorKind::kNetwork: return 4;
    case ErrorKind::kNumeric: return 5;
    case ErrorKind::kInterrupted: return 130;
  }
  return 1;
}

}  // namespace paraclip
