#include "paraclip/io/torch_file.h"

#include "paraclip/base/error.h"
#include "paraclip/io/pickle.h"
#include "paraclip/io/torch_tensors.h"
#include "paraclip/io/zip_archive.h"

#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace paraclip {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kPickleName = "data.pkl";
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kStreamProtocol = 1001;

// The folder of the archive that holds the pickle, with its slash.
std::string find_prefix(const std::string& path, const ZipArchive& archive) {
  std::string prefix;
  for (const auto& [name, member] : archive.members()) {
    const size_t slash = name.find('/');
    if (slash == std::string::npos || name.substr(slash + 1) != kPickleName) continue;
    if (!prefix.empty()) {
      fail(ErrorKind::kData, "{}: the archive holds more than one {}", path, kPickleName);
    }
    prefix = name.substr(0, slash + 1);
  }
  if (prefix.empty()) {
    fail(ErrorKind::kData,
         "{}: a zip archive, but not one of torch.save or torch.jit.save: it has no {}; if the "
         "weights are in it, unpack it",
         path, kPickleName);
  }
  return prefix;
}

void check_byte_order(const std::string& path, const ZipArchive& archive,
                      const std::string& prefix) {
  const std::string name = prefix + "byteorder";
  if (!archive.members().contains(name)) return;  // Of torch before 2.1: little.
  const std::string_view order = archive.stored(name);
  if (order != "little") {
    fail(ErrorKind::kData, "{}: the file has the byte order '{}', expected 'little'", path,
         printable(order));
  }
}

// The pickles of a stream, one after the other.
class Stream {
 public:
  explicit Stream(const MappedFile& file) : text_(file.text()), path_(file.path().string()) {}

  Pickle next() {
    Pickle pickle(text_, place_, path_, is_inert_global);
    place_ = pickle.end();
    return pickle;
  }

  // The magic number, the version of the format, and a dictionary about the machine.
  void read_head() {
    const Pickle magic = next();
    if (magic.root().kind != Kind::kBigInt || magic.root().text != kMagic) {
      fail(ErrorKind::kData, "{}: a Python pickle, but not one of torch.save", path_);
    }
    const Pickle version = next();
    if (version.root().kind != Kind::kInt || version.root().integer != kStreamProtocol) {
      fail(ErrorKind::kData, "{}: a file of torch.save in an unknown version, expected {}", path_,
           kStreamProtocol);
    }
    const Pickle machine = next();
    const auto& items = machine.root().items;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i]->text == "little_endian" && items[i + 1]->integer == 0) {
        fail(ErrorKind::kData, "{}: the file was written on a big-endian machine, expected little",
             path_);
      }
    }
  }

  // The storages behind the pickles, in the order of `keys`. `known` has those that the object
  // refers to.
  auto read_storages(const PickleValue& keys, const std::map<std::string, TorchStorage>& known) {
    std::map<std::string, StorageBytes, std::less<>> storages;
    if (keys.kind != Kind::kList) {
      fail(ErrorKind::kData, "{}: {} stands in place of the keys of the storages", path_,
           describe(keys));
    }
    for (const PickleValue* key : keys.items) {
      const auto storage = known.find(std::string(key->text));
      if (key->kind != Kind::kText || storage == known.end()) {
        fail(ErrorKind::kData, "{}: the storage '{}' is listed, but nothing refers to it", path_,
             printable(key->text));
      }
      const uint64_t size = storage->second.size;
      const uint64_t count = size / c10::elementSize(storage->second.type);
      uint64_t found = 0;
      const uint64_t left = text_.size() - place_;
      if (left >= sizeof found) std::memcpy(&found, text_.data() + place_, sizeof found);
      if (left < sizeof found || found != count || size > left - sizeof found) {
        fail(ErrorKind::kData,
             "{}: at byte {} the storage '{}' shall have {} elements in {} bytes, but the file has "
             "{} elements and {} bytes; perhaps an incomplete download",
             path_, place_, printable(key->text), count, size, found, left);
      }
      storages[storage->first] = {place_ + sizeof found, size};
      place_ += sizeof found + size;
    }
    return storages;
  }

 private:
  std::string_view text_;
  std::string path_;
  size_t place_ = 0;
};

// What the object refers to, by key.
std::map<std::string, TorchStorage> known_storages(const Pickle& object, const std::string& path) {
  std::map<std::string, TorchStorage> known;
  for (const PickleValue& value : object.values()) {
    if (value.kind != Kind::kPersistentId) continue;
    const TorchStorage storage = parse_storage(value, path);
    const auto [entry, fresh] = known.emplace(storage.key, storage);
    if (!fresh && (entry->second.type != storage.type || entry->second.size != storage.size)) {
      fail(ErrorKind::kData, "{}: the storage '{}' has two types or sizes", path,
           printable(storage.key));
    }
  }
  return known;
}

}  // namespace

TensorFile read_torch_zip(const std::shared_ptr<const MappedFile>& file) {
  const std::string path = file->path().string();
  const ZipArchive archive(file);
  const std::string prefix = find_prefix(path, archive);
  check_byte_order(path, archive, prefix);
  TorchPickle torch{file, fmt::format("{}: {}", path, kPickleName), nullptr, {}};
  const std::string folder = prefix + "data/";
  for (auto it = archive.members().lower_bound(folder);
       it != archive.members().end() && it->first.starts_with(folder); ++it) {
    archive.stored(it->first);  // Throws if it is not.
    torch.storages[it->first.substr(folder.size())] = {it->second.begin, it->second.size};
  }
  const bool script = archive.members().contains(prefix + "constants.pkl");
  const Pickle pickle(archive.stored(prefix + std::string(kPickleName)), /*begin=*/0, torch.where,
                      script ? is_inert_script_global : is_inert_global);
  torch.root = &pickle.root();
  return script ? TensorFile(file->path(), TensorFormat::kTorchScript, module_tensors(torch))
                : TensorFile(file->path(), TensorFormat::kTorch, state_dict_tensors(torch));
}

TensorFile read_torch_stream(const std::shared_ptr<const MappedFile>& file) {
  const std::string path = file->path().string();
  Stream stream(*file);
  stream.read_head();
  const Pickle object = stream.next();
  const Pickle keys = stream.next();
  const auto known = known_storages(object, path);
  const TorchPickle torch{file, path, &object.root(), stream.read_storages(keys.root(), known)};
  return TensorFile(file->path(), TensorFormat::kTorch, state_dict_tensors(torch));
}

}  // namespace paraclip
