#include "paraclip/embed/embedding_folder.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/base/signals.h"
#include "paraclip/io/npy.h"

#include <ATen/ATen.h>

#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIdColumn = "image_path";

fs::path lock_path(const fs::path& folder) {
  make_directories(folder / "shards");
  return folder / "shards" / "lock";
}

// Refuses to go on in a folder that another run made, and says how that one differs.
void check_identity(const fs::path& path, const Json& identity) {
  if (!fs::exists(path)) return write_file_atomic(path, dump_json(identity, /*indent=*/2) + "\n");
  const Json other = read_json(path);
  for (const auto& [key, value] : identity.items()) {
    const Json there = other.is_object() && other.contains(key) ? other[key] : Json();
    if (there == value) continue;
    fail(ErrorKind::kUsage,
         "{} holds embeddings of another run: there, \"{}\" is {}, here {}; choose another output, "
         "or "
         "run it with what is there",
         path.parent_path().parent_path().string(), key, dump_json(there), dump_json(value));
  }
}

// Removes the temporary files of a killed run (base/file.h, AtomicFile).
void remove_leftovers(const fs::path& folder) {
  for (const char* name : {"", "img_emb", "text_emb", "metadata", "shards"}) {
    std::error_code ignored;
    std::vector<fs::path> leftovers;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder / name, ignored)) {
      const std::string file = entry.path().filename().string();
      if (file.find(".tmp") != std::string::npos) leftovers.push_back(entry.path());
    }
    for (const fs::path& leftover : leftovers) fs::remove(leftover, ignored);
  }
}

Json to_json(const BadImage& bad) {
  Json json = Json::object();
  json["key"] = bad.id;
  json["reason"] = bad.reason;
  return json;
}

Json to_json(const ShardRecord& record) {
  Json json = Json::object();
  json["input"] = record.input;
  json["files"] = record.files;
  json["rows"] = record.rows;
  json["bad"] = Json::array();
  for (const BadImage& bad : record.bad) json["bad"].push_back(to_json(bad));
  return json;
}

ShardRecord parse_record(const Json& json, const std::string& where) {
  ShardRecord record;
  record.input = json_string(json, "input", where);
  record.rows = json_integer(json, "rows", where);
  if (!json.contains("files") || !json["files"].is_array() || !json.contains("bad") ||
      !json["bad"].is_array()) {
    fail(ErrorKind::kData,
         "{}: expected the lists \"files\" and \"bad\"; delete it to make its "
         "shard again",
         where);
  }
  for (const Json& file : json["files"]) {
    if (file.is_string()) record.files.push_back(file.get<std::string>());
  }
  for (const Json& bad : json["bad"]) {
    record.bad.push_back({json_string(bad, "key", where), json_string(bad, "reason", where)});
  }
  return record;
}

std::vector<std::string> ids_of(const EmbeddingShard& shard) {
  std::vector<std::string> ids;
  for (const ParquetColumn& column : shard.metadata) {
    if (column.name != kIdColumn) continue;
    for (const Json& id : column.values) ids.push_back(id.get<std::string>());
  }
  return ids;
}

}  // namespace

void check_embed_stop() {
  if (!stop_requested()) return;
  fail(ErrorKind::kInterrupted,
       "interrupted; the shards that are complete are kept, and the same command goes on behind "
       "them");
}

EmbeddingFolder::EmbeddingFolder(const fs::path& folder, const Json& identity, size_t shards)
    : folder_(folder),
      digits_(std::to_string(shards).size()),  // As clip-retrieval: int(log10(shards)) + 1.
      lock_(lock_path(folder)),
      records_(shards) {
  check_identity(folder_ / "shards" / "run.json", identity);
  remove_leftovers(folder_);
  for (size_t index = 0; index < shards; ++index) read_record(index);
}

fs::path EmbeddingFolder::record_path(size_t index) const {
  return folder_ / "shards" / fmt::format("{:0{}}.json", index, digits_);
}

void EmbeddingFolder::read_record(size_t index) {
  const fs::path path = record_path(index);
  if (!fs::exists(path)) return;
  ShardRecord record = parse_record(read_json(path), path.string());
  for (const std::string& file : record.files) {
    if (!fs::exists(folder_ / file)) return;  // The shard is made again.
  }
  for (const std::string& file : record.files) {
    if (!file.ends_with(".parquet")) continue;
    const ParquetFile metadata(folder_ / file);
    if (metadata.contains(kIdColumn)) add_ids(metadata.strings(kIdColumn), record.input);
  }
  records_[index] = std::move(record);
}

void EmbeddingFolder::add_ids(const std::vector<std::string>& ids, const std::string& input) {
  for (const std::string& id : ids) {
    if (ids_.insert(hash64(id)).second) continue;
    fail(ErrorKind::kData,
         "the id \"{}\" in {} is also that of an image in another shard; ids must differ for "
         "embeddings to be told apart. For tars, --prefix-ids puts the tar's name before them",
         id, input);
  }
}

void EmbeddingFolder::write(size_t index, const EmbeddingShard& shard) {
  const std::vector<std::string> ids = ids_of(shard);
  add_ids(ids, shard.input);
  ShardRecord record;
  record.input = shard.input;
  record.rows = static_cast<int64_t>(shard.metadata.front().values.size());
  record.bad = shard.bad;
  const auto file = [&](const char* name, std::string_view stem, std::string_view suffix) {
    make_directories(folder_ / name);
    record.files.push_back(fmt::format("{}/{}_{:0{}}{}", name, stem, index, digits_, suffix));
    return folder_ / record.files.back();
  };
  const auto write_rows = [&](const char* name, const at::Tensor& rows) {
    if (rows.defined()) write_npy(file(name, name, ".npy"), rows.to(at::kHalf));
  };
  write_rows("img_emb", shard.images);
  write_rows("text_emb", shard.texts);
  write_parquet(file("metadata", "metadata", ".parquet"), shard.metadata);
  write_file_atomic(record_path(index), dump_json(to_json(record), /*indent=*/2) + "\n");
  records_[index] = std::move(record);
}

void EmbeddingFolder::finish(Json summary) const {
  Json shards = Json::array();
  AtomicFile bad_images(folder_ / "bad_images.jsonl");
  for (const std::optional<ShardRecord>& record : records_) {
    Json shard = Json::object();
    shard["input"] = record->input;
    shard["rows"] = record->rows;
    shard["bad"] = record->bad.size();
    shards.push_back(std::move(shard));
    for (const BadImage& bad : record->bad) {
      Json json = to_json(bad);
      json["input"] = record->input;
      bad_images.write(dump_json(json) + "\n");
    }
  }
  summary["shards"] = std::move(shards);
  bad_images.commit();
  write_file_atomic(folder_ / "embeddings.json", dump_json(summary, /*indent=*/2) + "\n");
}

}  // namespace paraclip
