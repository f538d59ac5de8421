#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/embed/embedder.h"
#include "paraclip/embed/embedding_folder.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/tsv.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Texts between two looks at whether to stop.
constexpr size_t kTextsAtOnce = 1024;

struct Texts {
  std::vector<std::string> captions;
  std::vector<std::string> ids;  // Empty if there are none.
};

// Whether the first line of `path` names columns, and which of ours.
struct TextColumns {
  bool caption = false;
  bool id = false;
};

TextColumns text_columns(const fs::path& path) {
  LineReader reader(path);
  TextColumns columns;
  std::string_view line;
  if (!reader.next_filled(line)) return columns;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find('\t', begin), line.size());
    columns.caption |= line.substr(begin, end - begin) == "caption";
    columns.id |= line.substr(begin, end - begin) == "id";
    begin = end + 1;
  }
  return columns;
}

Texts read_texts(const fs::path& path) {
  Texts texts;
  const TextColumns columns = text_columns(path);
  if (columns.caption) {
    std::vector<std::string> names = {"caption"};
    if (columns.id) names.emplace_back("id");
    TsvReader reader(path, names);
    for (std::vector<std::string_view> row; reader.next(row);) {
      texts.captions.emplace_back(row[0]);
      if (columns.id) texts.ids.emplace_back(row[1]);
    }
  } else {
    texts.captions = read_lines(path);
  }
  if (texts.captions.empty()) {
    fail(ErrorKind::kData,
         "{} holds no texts; expected one a line, or columns separated by tabs with \"caption\" "
         "among their names in the first line",
         path.string());
  }
  return texts;
}

std::string fingerprint_of(const Texts& texts) {
  uint64_t hash = 0;
  for (const std::string& text : texts.captions) hash = hash64(text, hash);
  for (const std::string& id : texts.ids) hash = hash64(id, hash);
  return fmt::format("{:016x}", hash);
}

template <typename Value>
ParquetColumn column_of(const char* name, const std::vector<Value>& values, size_t begin,
                        size_t end) {
  return {name,
          {values.begin() + static_cast<std::ptrdiff_t>(begin),
           values.begin() + static_cast<std::ptrdiff_t>(end)}};
}

}  // namespace

EmbedReport embed_texts(const TextModel& model, const fs::path& path, const EmbedOptions& options,
                        const ProgressCallback& progress) {
  options.validate();
  const auto started = Clock::now();
  const Texts texts = read_texts(path);
  const size_t count = texts.captions.size();
  const auto shard_size = static_cast<size_t>(options.shard_size);
  const size_t shards = (count + shard_size - 1) / shard_size;
  Json summary = Json::object();
  summary["format"] = kEmbeddingsFormat;
  summary["text_tower"] = model.fingerprint();
  Json identity = summary;
  identity["shard_size"] = options.shard_size;
  identity["input"] = fingerprint_of(texts);
  EmbeddingFolder folder(options.output, identity, shards);

  EmbedReport report;
  report.shards = static_cast<int64_t>(shards);
  report.rows = static_cast<int64_t>(count);
  for (size_t index = 0; index < shards; ++index) {
    if (folder.records()[index]) {
      ++report.resumed;
      continue;
    }
    const size_t first = index * shard_size;
    const size_t last = std::min(count, first + shard_size);
    std::vector<at::Tensor> rows;
    for (size_t begin = first; begin < last; begin += kTextsAtOnce) {
      check_embed_stop();
      const size_t end = std::min(last, begin + kTextsAtOnce);
      rows.push_back(model.encode({texts.captions.begin() + static_cast<std::ptrdiff_t>(begin),
                                   texts.captions.begin() + static_cast<std::ptrdiff_t>(end)}));
      report.computed += static_cast<int64_t>(end - begin);
      if (progress) {
        progress({.label = "embed",
                  .unit = "texts",
                  .done = static_cast<int64_t>(end),
                  .total = report.rows,
                  .detail = {}});
      }
    }
    EmbeddingShard shard;
    shard.input = fmt::format("{}, texts {} to {}", path.string(), first, last - 1);
    shard.texts = at::cat(rows);
    shard.metadata.push_back(column_of("caption", texts.captions, first, last));
    if (!texts.ids.empty()) shard.metadata.push_back(column_of("id", texts.ids, first, last));
    folder.write(index, shard);
  }
  summary["model"] = model.files().path.string();
  summary["width"] = model.config().text.projection_dim;
  summary["texts"] = count;
  folder.finish(summary);
  report.seconds = std::chrono::duration<double>(Clock::now() - started).count();
  return report;
}

}  // namespace paraclip
