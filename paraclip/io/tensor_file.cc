#include "paraclip/io/tensor_file.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/io/safetensors.h"
#include "paraclip/io/torch_file.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexSuffix = ".index.json";
constexpr uint64_t kMaxIndex = 4'000'000;  // Room for 40,000 tensors.
constexpr size_t kMaxShown = 5;

bool starts_without_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

// What is often found in place of weights, by its first bytes. Empty if it is none of that.
std::string_view impostor(std::string_view bytes) {
  constexpr size_t kTarMagic = 257;
  const size_t text = std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size());
  const std::string_view trimmed = bytes.substr(text);
  if (bytes.empty()) return "it is empty; perhaps a download that failed";
  if (bytes.starts_with("version https://git-lfs")) {
    return "it is a Git LFS pointer, not the weights; run `git lfs pull` in its repository";
  }
  if (starts_without_case(trimmed, "<!doctype") || starts_without_case(trimmed, "<html") ||
      starts_without_case(trimmed, "<?xml")) {
    return "it is a web page, perhaps an error page or a log-in; download the file itself";
  }
  if (bytes.starts_with("\x1f\x8b")) return "it is compressed by gzip; run gunzip on it";
  if (bytes.starts_with("\x89HDF")) return "it is an HDF5 file, as TensorFlow writes them";
  if (bytes.size() > kTarMagic && bytes.substr(kTarMagic).starts_with("ustar")) {
    return "it is a tar archive (or a file of torch before 0.2): unpack it, or load it in torch "
           "and save it again";
  }
  return {};
}

// The length of a header, which may begin as any other format does, and the header's brace.
bool begins_as_safetensors(std::string_view bytes) {
  constexpr uint64_t kMaxHeader = 100'000'000;  // Of the format.
  uint64_t length = 0;
  if (bytes.size() <= sizeof length) return false;
  std::memcpy(&length, bytes.data(), sizeof length);
  return length <= kMaxHeader && bytes[sizeof length] == '{';
}

TensorFile read_safetensors(const fs::path& path) {
  const auto file = std::make_shared<const SafetensorsFile>(SafetensorsFile::open(path));
  std::map<std::string, TensorFile::Entry> entries;
  for (const std::string& name : file->names()) {
    entries[name] = {file->shape(name), file->dtype(name),
                     [file, name] { return file->tensor(name); },
                     [file] { file->release_pages(); }};
  }
  return TensorFile(path, TensorFormat::kSafetensors, std::move(entries));
}

TensorFile read_file_of_tensors(const fs::path& path) {
  const auto file = MappedFile::open(path);
  const std::string_view bytes = file->text();
  if (begins_as_safetensors(bytes)) return read_safetensors(path);
  if (const std::string_view found = impostor(bytes); !found.empty()) {
    fail(ErrorKind::kData, "{}: expected safetensors or a file of torch.save, but {}",
         path.string(), found);
  }
  if (bytes.starts_with("PK")) return read_torch_zip(file);
  if (bytes.starts_with("\x80\x02") || bytes.starts_with("\x80\x03") ||
      bytes.starts_with("\x80\x04") || bytes.starts_with("\x80\x05")) {
    return read_torch_stream(file);
  }
  return read_safetensors(path);
}

// Tensor names by the shard that an index puts them in.
using Shards = std::map<std::string, std::set<std::string>>;

Shards read_index(const fs::path& path) {
  const std::string where = path.string();
  const auto file = MappedFile::open(path);
  if (file->bytes().size() > kMaxIndex) {
    fail(ErrorKind::kData, "{}: the index has {} bytes, expected at most {}", where,
         file->bytes().size(), kMaxIndex);
  }
  const Json index = parse_json(file->text(), where);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (map == index.end() || !map->is_object() || map->empty()) {
    fail(ErrorKind::kData, "{}: expected an object \"weight_map\" of tensor names and files",
         where);
  }
  Shards shards;
  for (const auto& [name, value] : map->items()) {
    const std::string shard = json_string(*map, name, where);
    if (shard.empty() || shard == "." || shard == ".." || shard.ends_with(kIndexSuffix) ||
        shard.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
      fail(ErrorKind::kData,
           "{}: tensor '{}' is in {}, expected the name of a file beside the "
           "index",
           where, name, dump_json(value));
    }
    shards[shard].insert(name);
  }
  return shards;
}

void check_presence(const fs::path& index, const Shards& shards) {
  std::vector<std::string> missing;
  for (const auto& [shard, names] : shards) {
    if (!fs::exists(index.parent_path() / shard)) missing.push_back(shard);
  }
  if (missing.empty()) return;
  const size_t count = missing.size();
  missing.resize(std::min(count, 10 * kMaxShown));
  fail(ErrorKind::kIo, "{}: {} of {} shards are not beside the index: {}{}; download them too",
       index.string(), count, shards.size(), fmt::join(missing, ", "),
       missing.size() < count ? ", ..." : "");
}

// Names that are in `first` only.
template <typename First, typename Second, typename NameOf>
std::string only_in(const First& first, const Second& second, NameOf name_of) {
  std::vector<std::string> names;
  for (const auto& item : first) {
    if (!second.contains(name_of(item))) names.push_back(name_of(item));
  }
  const size_t count = names.size();
  if (count == 0) return {};
  names.resize(std::min(count, kMaxShown));
  return fmt::format("{} tensors ({}{})", count, fmt::join(names, ", "),
                     names.size() < count ? ", ..." : "");
}

TensorFile read_sharded(const fs::path& path) {
  const Shards shards = read_index(path);
  check_presence(path, shards);
  std::map<std::string, TensorFile::Entry> entries;
  for (const auto& [shard, names] : shards) {
    const TensorFile file = read_file_of_tensors(path.parent_path() / shard);
    const std::string lacking =
        only_in(names, file.entries(), [](const std::string& name) { return name; });
    if (!lacking.empty()) {
      fail(ErrorKind::kData, "{}: {} lacks {} that the index puts there; download both again",
           path.string(), shard, lacking);
    }
    const std::string extra =
        only_in(file.entries(), names, [](const auto& entry) { return entry.first; });
    if (!extra.empty()) {
      fail(ErrorKind::kData,
           "{}: {} holds {} that the index does not put there; download both "
           "again",
           path.string(), shard, extra);
    }
    entries.insert(file.entries().begin(), file.entries().end());
  }
  return TensorFile(path, TensorFormat::kSharded, std::move(entries));
}

}  // namespace

std::string to_string(TensorFormat format) {
  switch (format) {
    case TensorFormat::kSafetensors: return "safetensors";
    case TensorFormat::kSharded: return "sharded";
    case TensorFormat::kTorch: return "torch";
    case TensorFormat::kTorchScript: return "TorchScript";
  }
  return "unknown";
}

TensorFile TensorFile::open(const fs::path& path) {
  return path.filename().string().ends_with(kIndexSuffix) ? read_sharded(path)
                                                          : read_file_of_tensors(path);
}

TensorFile::TensorFile(fs::path path, TensorFormat format, std::map<std::string, Entry> entries)
    : path_(std::move(path)), format_(format), entries_(std::move(entries)) {}

at::Tensor TensorFile::tensor(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    fail(ErrorKind::kData, "{}: there is no tensor '{}'", path_.string(), name);
  }
  return found->second.view();
}

}  // namespace paraclip
