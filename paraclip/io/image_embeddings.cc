#include "paraclip/io/image_embeddings.h"

#include "paraclip/base/error.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/npy.h"

#include <ATen/ATen.h>

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

// The number i of a file name img_emb_{i}.npy.
std::optional<int64_t> shard_number(const std::string& name) {
  constexpr std::string_view kPrefix = "img_emb_";
  constexpr std::string_view kSuffix = ".npy";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size() - kSuffix.size();
  int64_t number = 0;
  const auto [stop, error] = std::from_chars(begin, std::max(begin, end), number);
  if (begin >= end || error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::map<int64_t, fs::path> find_shards(const fs::path& folder) {
  const fs::path embeddings = folder / "img_emb";
  std::map<int64_t, fs::path> shards;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(embeddings, error)) {
    const std::optional<int64_t> number = shard_number(entry.path().filename().string());
    if (!number) continue;
    const auto [other, added] = shards.emplace(*number, entry.path());
    if (!added) {
      fail(ErrorKind::kData, "{} and {} have the same number; remove one of them",
           other->second.string(), entry.path().string());
    }
  }
  if (error) {
    fail(ErrorKind::kIo,
         "cannot read the image embeddings in {}: {}; expected img_emb/img_emb_0.npy, ... and "
         "ids.txt in {}",
         embeddings.string(), error.message(), folder.string());
  }
  if (shards.empty()) {
    fail(ErrorKind::kData, "{} holds no embeddings; expected img_emb_0.npy, img_emb_1.npy, ...",
         embeddings.string());
  }
  return shards;
}

std::vector<std::string> read_ids(const fs::path& folder) {
  const fs::path path = folder / "ids.txt";
  if (!fs::exists(path) && fs::exists(folder / "metadata")) {
    fail(ErrorKind::kData,
         "{} is missing; it holds one image id a line, in the order of the rows. Write it from the "
         "column of metadata/*.parquet that holds the ids, for example: cd {} && python -c 'import "
         "glob, pandas; [print(i) for f in sorted(glob.glob(\"metadata/*.parquet\")) for i in "
         "pandas.read_parquet(f)[\"image_path\"]]' > ids.txt",
         path.string(), folder.string());
  }
  std::vector<std::string> ids;
  LineReader reader(path);
  for (std::string_view id; reader.next(id);) {
    if (id.empty()) {
      fail(ErrorKind::kData, "{}: the id is empty, expected one for each row", reader.where());
    }
    ids.emplace_back(id);
  }
  return ids;
}

std::unordered_map<std::string_view, int64_t> index_ids(const std::vector<std::string>& ids,
                                                        const fs::path& folder) {
  std::unordered_map<std::string_view, int64_t> rows;
  rows.reserve(ids.size());
  for (size_t row = 0; row < ids.size(); ++row) {
    const auto [other, added] = rows.emplace(ids[row], static_cast<int64_t>(row));
    if (!added) {
      fail(ErrorKind::kData, "{}: the id \"{}\" appears twice, in lines {} and {}",
           (folder / "ids.txt").string(), ids[row], other->second + 1, row + 1);
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

ImageEmbeddings ImageEmbeddings::load(const fs::path& folder) {
  ImageEmbeddings result;
  int64_t count = 0;
  for (const auto& [number, path] : find_shards(folder)) {
    const at::Tensor shard = read_npy(path);
    check_shard(shard, path);
    if (result.shards_.empty()) result.width_ = shard.size(1);
    if (shard.size(1) != result.width_) {
      fail(ErrorKind::kData, "{}: the embeddings have width {}, expected {} as in the first shard",
           path.string(), shard.size(1), result.width_);
    }
    check_lengths(shard, path);
    result.first_rows_.push_back(count);
    result.shards_.push_back(shard.contiguous());
    count += shard.size(0);
  }
  result.ids_ = read_ids(folder);
  if (result.size() != count) {
    fail(ErrorKind::kData, "{} has {} ids, expected {}: one for each row of {} shards in {}",
         (folder / "ids.txt").string(), result.size(), count, result.shards_.size(),
         (folder / "img_emb").string());
  }
  result.rows_by_id_ = index_ids(result.ids_, folder);
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
