#include "paraclip/io/image_embeddings.h"

#include "paraclip/base/error.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/npy.h"
#include "paraclip/io/parquet.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <map>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// Rows normalised in f16 or bf16 arithmetic miss length 1 by up to this much.
constexpr double kLengthTolerance = 4e-3;
constexpr int64_t kRowsAtOnce = 8192;

// The columns of clip-retrieval's and img2dataset's metadata that can hold ids, best first.
constexpr std::string_view kIdColumns[] = {"image_path", "key", "id", "image_id"};

// The number i of a file name {prefix}{i}{suffix}.
std::optional<int64_t> shard_number(std::string_view name, std::string_view prefix,
                                    std::string_view suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  const char* begin = name.data() + prefix.size();
  const char* end = name.data() + name.size() - suffix.size();
  int64_t number = 0;
  const auto [stop, error] = std::from_chars(begin, std::max(begin, end), number);
  if (begin >= end || error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// The files {folder}/{prefix}{i}{suffix} by their numbers.
std::map<int64_t, fs::path> find_shards(const fs::path& folder, std::string_view prefix,
                                        std::string_view suffix) {
  std::map<int64_t, fs::path> shards;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::optional<int64_t> number =
        shard_number(entry.path().filename().string(), prefix, suffix);
    if (!number) continue;
    const auto [other, added] = shards.emplace(*number, entry.path());
    if (!added) {
      fail(ErrorKind::kData, "{} and {} have the same number; remove one of them",
           other->second.string(), entry.path().string());
    }
  }
  if (error) {
    fail(ErrorKind::kIo,
         "cannot read {}: {}; expected image embeddings in clip-retrieval's layout, as `paraclip "
         "embed` writes them: img_emb/img_emb_0.npy, ... and metadata/metadata_0.parquet, ... or "
         "ids.txt",
         folder.string(), error.message());
  }
  if (shards.empty()) {
    fail(ErrorKind::kData, "{} holds no {}0{}, {}1{}, ...", folder.string(), prefix, suffix, prefix,
         suffix);
  }
  return shards;
}

std::string id_column_of(const ParquetFile& metadata, const fs::path& path,
                         const std::string& id_column) {
  if (!id_column.empty()) return id_column;
  for (const std::string_view column : kIdColumns) {
    if (metadata.contains(column)) return std::string(column);
  }
  fail(ErrorKind::kData,
       "{} has no column {} that could hold the ids of the images; it has {}. Name the column, or "
       "write the ids to ids.txt, one a line in the order of the rows",
       path.string(), fmt::join(kIdColumns, ", "), fmt::join(metadata.columns(), ", "));
}

// Where the ids of a collection stand: each shard's in its metadata, or all of them in ids.txt.
class IdReader {
 public:
  IdReader(const fs::path& folder, const std::string& id_column)
      : id_column_(id_column), list_(folder / "ids.txt") {
    if (!id_column.empty() || (!fs::exists(list_) && fs::exists(folder / "metadata"))) {
      metadata_ = find_shards(folder / "metadata", "metadata_", ".parquet");
    } else {
      read_list();
    }
  }

  // Takes note of shard `number` in `path`, which has `rows`.
  void add_shard(int64_t number, const fs::path& path, int64_t rows) {
    count_ += rows;
    ++shards_;
    if (metadata_.empty()) return;
    const auto found = metadata_.find(number);
    if (found == metadata_.end()) {
      fail(ErrorKind::kData,
           "{} has no metadata_{}.parquet, which names its images; expected one "
           "for each shard",
           path.string(), number);
    }
    const ParquetFile metadata(found->second);
    if (metadata.size() != rows) {
      fail(ErrorKind::kData, "{} has {} rows, expected {}: one for each row of {}",
           found->second.string(), metadata.size(), rows, path.string());
    }
    for (std::string& id : metadata.strings(id_column_of(metadata, found->second, id_column_))) {
      ids_.push_back(std::move(id));
    }
    ends_.emplace_back(ids_.size(), found->second);
  }

  // The ids of all shards.
  std::vector<std::string> take() {
    if (metadata_.empty() && static_cast<int64_t>(ids_.size()) != count_) {
      fail(ErrorKind::kData, "{} has {} ids, expected {}: one for each row of {} shards",
           list_.string(), ids_.size(), count_, shards_);
    }
    if (!metadata_.empty() && metadata_.size() != shards_) {
      fail(ErrorKind::kData, "{} has metadata of {} shards, expected {}: those of img_emb",
           (list_.parent_path() / "metadata").string(), metadata_.size(), shards_);
    }
    return std::move(ids_);
  }

  // The place of the id of `row`, for messages.
  std::string where(int64_t row) const {
    if (metadata_.empty()) return fmt::format("{}, line {}", list_.string(), row + 1);
    size_t first = 0;
    for (const auto& [end, path] : ends_) {
      const auto place = static_cast<size_t>(row);
      if (place < end) return fmt::format("{}, row {}", path.string(), place - first);
      first = end;
    }
    return fmt::format("row {}", row);
  }

 private:
  void read_list() {
    LineReader reader(list_);
    for (std::string_view id; reader.next(id);) {
      if (id.empty()) {
        fail(ErrorKind::kData, "{}: the id is empty, expected one for each row", reader.where());
      }
      ids_.emplace_back(id);
    }
  }

  std::string id_column_;
  fs::path list_;
  std::map<int64_t, fs::path> metadata_;  // Empty if the ids stand in ids.txt.
  std::vector<std::string> ids_;
  std::vector<std::pair<size_t, fs::path>> ends_;  // Of each shard, one past its last row.
  int64_t count_ = 0;
  size_t shards_ = 0;
};

std::unordered_map<std::string_view, int64_t> index_ids(const std::vector<std::string>& ids,
                                                        const IdReader& reader) {
  std::unordered_map<std::string_view, int64_t> rows;
  rows.reserve(ids.size());
  for (size_t row = 0; row < ids.size(); ++row) {
    const auto [other, added] = rows.emplace(ids[row], static_cast<int64_t>(row));
    if (!added) {
      fail(ErrorKind::kData, "the id \"{}\" appears twice: {} and {}; expected one for each image",
           ids[row], reader.where(other->second), reader.where(static_cast<int64_t>(row)));
    }
  }
  return rows;
}

void check_shard(const at::Tensor& shard, const fs::path& path) {
  const bool known = shard.scalar_type() == at::kHalf || shard.scalar_type() == at::kFloat;
  if (!known || shard.dim() != 2 || shard.size(1) == 0) {
    fail(ErrorKind::kData, "{}: found {} of {} dimensions, expected f16 or f32 [images, width]",
         path.string(), c10::toString(shard.scalar_type()), shard.dim());
  }
}

void check_lengths(const at::Tensor& shard, const fs::path& path) {
  for (int64_t begin = 0; begin < shard.size(0); begin += kRowsAtOnce) {
    const at::Tensor part = shard.slice(/*dim=*/0, begin, begin + kRowsAtOnce);
    const at::Tensor lengths = at::linalg_vector_norm(part, /*ord=*/2, /*dim=*/{1},
                                                      /*keepdim=*/false, at::kFloat);
    const float* values = lengths.const_data_ptr<float>();
    for (int64_t row = 0; row < lengths.numel(); ++row) {
      const double length = values[row];
      if (std::abs(length - 1) <= kLengthTolerance) continue;
      if (std::isfinite(length)) {
        fail(ErrorKind::kData,
             "{}, row {}: the embedding has length {:.4g}, expected 1; divide each row by its "
             "length",
             path.string(), begin + row, length);
      }
      fail(ErrorKind::kData, "{}, row {}: the embedding holds a number that is not finite",
           path.string(), begin + row);
    }
  }
}

}  // namespace

std::optional<std::string> image_tower_of(const fs::path& folder) {
  const fs::path path = folder / "embeddings.json";
  if (!fs::exists(path)) {
    if (!fs::exists(folder / "shards" / "run.json")) return std::nullopt;
    fail(ErrorKind::kData,
         "the embeddings in {} are not complete: {} is missing; run the same `paraclip embed` "
         "again, "
         "which goes on where it stopped",
         folder.string(), path.string());
  }
  const Json json = read_json(path);
  const std::string tower = json_string_or(json, "image_tower", "", path.string());
  return tower.empty() ? std::nullopt : std::optional(tower);
}

ImageEmbeddings ImageEmbeddings::load(const fs::path& folder, const std::string& id_column) {
  ImageEmbeddings result;
  result.tower_ = image_tower_of(folder);
  const auto shards = find_shards(folder / "img_emb", "img_emb_", ".npy");
  IdReader ids(folder, id_column);
  int64_t count = 0;
  for (const auto& [number, path] : shards) {
    const at::Tensor shard = read_npy(path);
    check_shard(shard, path);
    if (result.shards_.empty()) result.width_ = shard.size(1);
    if (shard.size(1) != result.width_) {
      fail(ErrorKind::kData, "{}: the embeddings have width {}, expected {} as in the first shard",
           path.string(), shard.size(1), result.width_);
    }
    check_lengths(shard, path);
    ids.add_shard(number, path, shard.size(0));
    result.first_rows_.push_back(count);
    result.shards_.push_back(shard.contiguous());
    count += shard.size(0);
  }
  result.ids_ = ids.take();
  result.rows_by_id_ = index_ids(result.ids_, ids);
  return result;
}

std::optional<int64_t> ImageEmbeddings::row(std::string_view id) const {
  const auto found = rows_by_id_.find(id);
  if (found == rows_by_id_.end()) return std::nullopt;
  return found->second;
}

at::Tensor ImageEmbeddings::rows(std::span<const int64_t> rows) const {
  at::Tensor result = at::empty({static_cast<int64_t>(rows.size()), width_}, at::kFloat);
  float* out = result.mutable_data_ptr<float>();
  for (const int64_t row : rows) {
    assert(row >= 0 && row < size());
    const auto after = std::upper_bound(first_rows_.begin(), first_rows_.end(), row);
    const auto index = static_cast<size_t>(after - first_rows_.begin()) - 1;
    const at::Tensor& shard = shards_[index];
    const int64_t offset = (row - first_rows_[index]) * width_;
    if (shard.scalar_type() == at::kHalf) {
      std::copy_n(shard.const_data_ptr<at::Half>() + offset, width_, out);
    } else {
      std::copy_n(shard.const_data_ptr<float>() + offset, width_, out);
    }
    out += width_;
  }
  return result;
}

}  // namespace paraclip
