#include "paraclip/train/metrics_log.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/io/jsonl.h"

namespace paraclip {
namespace {

namespace fs = std::filesystem;

std::string kept_lines(const fs::path& path, int64_t step) {
  std::string kept;
  if (!fs::exists(path)) return kept;
  // A kill may have cut the last line: a line that cannot be read is one of those to come again.
  try {
    JsonlReader reader(path);
    for (Json record; reader.next(record);) {
      if (json_integer(record, "step", reader.where()) <= step) kept += dump_json(record) + "\n";
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(const fs::path& output, int64_t step)
    : path_(output / "metrics.jsonl"), events_(output / "tensorboard") {
  write_file_atomic(path_, kept_lines(path_, step));
  file_.open(path_, std::ios::app);
}

void MetricsLog::write(const std::string& kind, int64_t step, const Json& values) {
  Json record = Json::object();
  record["kind"] = kind;
  record["step"] = step;
  for (const auto& [name, value] : values.items()) {
    record[name] = value;
    if (value.is_number()) events_.scalar(kind + "/" + name, value.get<double>(), step);
  }
  file_ << dump_json(record) << std::endl;
  if (!file_) {
    fail(ErrorKind::kIo, "cannot write {}: the disk may be full", path_.string());
  }
  events_.flush();
}

}  // namespace paraclip
