#include "paraclip/base/log.h"

namespace paraclip {

spdlog::logger& log() {
  static spdlog::logger logger("paraclip");
  return logger;
}

}  // namespace paraclip
