#pragma once

#include "paraclip/base/json.h"
#include "paraclip/io/tensorboard.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace paraclip {

/// The metrics of a run: lines of metrics.jsonl, and TensorBoard events in tensorboard/.
class MetricsLog {
 public:
  /// Opens `output`/metrics.jsonl. Lines of steps after `step` (a run that was killed after its
  /// last checkpoint will do them again) are dropped. Throws kIo.
  MetricsLog(const std::filesystem::path& output, int64_t step);

  /// Writes one record. `kind` is "train" or "eval"; numbers in `values` become scalars
  /// "kind/name".
  void write(const std::string& kind, int64_t step, const Json& values);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
  EventWriter events_;
};

}  // namespace paraclip
