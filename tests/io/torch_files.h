#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Pickles, zip archives and files of torch put together by hand, well formed or not.
namespace paraclip::test {

/// A number as it lies in memory, little-endian.
template <typename T>
std::string raw_bytes(T number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

// Instructions of pickles, each of which leaves one value on the stack.
inline std::string pickle_text(std::string_view text) {
  return std::string("X") + raw_bytes(static_cast<uint32_t>(text.size())) + std::string(text);
}
inline std::string pickle_int(int64_t number) {
  return std::string("\x8a\x08") + raw_bytes(number);
}
inline std::string pickle_global(std::string_view module, std::string_view name) {
  return fmt::format("c{}\n{}\n", module, name);
}
inline std::string pickle_tuple(std::initializer_list<std::string> items) {
  std::string tuple = "(";
  for (const std::string& item : items) tuple += item;
  return tuple + "t";
}
inline std::string pickle_ints(const std::vector<int64_t>& numbers) {
  std::string tuple = "(";
  for (const int64_t number : numbers) tuple += pickle_int(number);
  return tuple + "t";
}
inline std::string pickle_dict(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string dict = "}(";
  for (const auto& [key, value] : pairs) dict += pickle_text(key) + value;
  return dict + "u";
}

/// The storage `key` of `count` elements, outside the pickle.
inline std::string pickle_storage(int64_t count, std::string_view key = "0",
                                  std::string_view type = "FloatStorage") {
  return pickle_tuple({pickle_text("storage"), pickle_global("torch", type), pickle_text(key),
                       pickle_text("cuda:0"), pickle_int(count)}) +
         "Q";
}
inline std::string pickle_tensor(const std::string& storage, int64_t offset,
                                 const std::vector<int64_t>& shape,
                                 const std::vector<int64_t>& strides) {
  return pickle_global("torch._utils", "_rebuild_tensor_v2") +
         pickle_tuple({storage, pickle_int(offset), pickle_ints(shape), pickle_ints(strides),
                       "\x89", pickle_global("collections", "OrderedDict") + ")R"}) +
         "R";
}
inline std::string pickle(const std::string& value) {
  return std::string("\x80\x02") + value + ".";
}

/// One member of a zip archive, with what a hostile one may lie about.
struct ZipEntry {
  std::string name;
  std::string data;
  uint16_t method = 0;
  uint16_t flags = 0;
  int64_t size = -1;    ///< Of the member unpacked, if not that of the data.
  int64_t offset = -1;  ///< Of its local header, if not where it is.
  int64_t packed = -1;  ///< Of the member packed, if not that of the data.
};

/// How an archive holds its sizes and offsets: zip64 has them all in 64 bits.
enum class Zip { kPlain, k64 };

/// What ends an archive: the zip64 record, which would stand at `record`, its locator, and the end.
inline std::string zip64_end(uint64_t count, uint64_t size, uint64_t begin, uint64_t record) {
  return std::string("PK\x06\x06") + raw_bytes(uint64_t{44}) + std::string(12, '\0') +
         raw_bytes(count) + raw_bytes(count) + raw_bytes(size) + raw_bytes(begin) + "PK\x06\x07" +
         std::string(4, '\0') + raw_bytes(record) + raw_bytes(uint32_t{1}) + "PK\x05\x06" +
         std::string(4, '\0') + std::string(12, '\xff') + std::string(2, '\0');
}

/// A zip archive of `entries`; its end claims `claimed` members, or as many as there are.
inline std::string zip(const std::vector<ZipEntry>& entries, int claimed = -1,
                       Zip form = Zip::kPlain) {
  const bool wide = form == Zip::k64;
  const auto narrow = [&](uint64_t value) {
    return raw_bytes(wide ? UINT32_MAX : static_cast<uint32_t>(value));
  };
  std::string archive;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const uint64_t begin = entry.offset < 0 ? archive.size() : static_cast<uint64_t>(entry.offset);
    const uint64_t packed =
        entry.packed < 0 ? entry.data.size() : static_cast<uint64_t>(entry.packed);
    const uint64_t size = entry.size < 0 ? packed : static_cast<uint64_t>(entry.size);
    const std::string common = raw_bytes(uint16_t{20}) + raw_bytes(entry.flags) +
                               raw_bytes(entry.method) + std::string(8, '\0') + narrow(packed) +
                               narrow(size) + raw_bytes(static_cast<uint16_t>(entry.name.size()));
    const std::string extra = wide ? raw_bytes(uint16_t{1}) + raw_bytes(uint16_t{24}) +
                                         raw_bytes(size) + raw_bytes(packed) + raw_bytes(begin)
                                   : std::string();
    directory += std::string("PK\x01\x02") + raw_bytes(uint16_t{20}) + common +
                 raw_bytes(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') +
                 narrow(begin) + entry.name + extra;
    // The data begin at a multiple of 64 bytes, as torch has it.
    const size_t header = 30 + entry.name.size();
    const size_t padding = 64 - (archive.size() + header) % 64;
    archive += std::string("PK\x03\x04") + common + raw_bytes(static_cast<uint16_t>(padding)) +
               entry.name + std::string(padding, '\0') + entry.data;
  }
  const size_t members = claimed < 0 ? entries.size() : static_cast<size_t>(claimed);
  if (wide) {
    return archive + directory +
           zip64_end(members, directory.size(), archive.size(), archive.size() + directory.size());
  }
  const auto count = static_cast<uint16_t>(members);
  return archive + directory + "PK\x05\x06" + std::string(4, '\0') + raw_bytes(count) +
         raw_bytes(count) + narrow(directory.size()) + narrow(archive.size()) +
         std::string(2, '\0');
}

/// What torch.save writes of `value`, with the bytes of the storages "0", "1", ...
inline std::string torch_zip(const std::string& value,
                             const std::vector<std::string>& storages = {}) {
  std::vector<ZipEntry> entries = {{"m/data.pkl", pickle(value)}, {"m/byteorder", "little"}};
  for (size_t i = 0; i < storages.size(); ++i) {
    entries.push_back({fmt::format("m/data/{}", i), storages[i]});
  }
  return zip(entries);
}

/// What torch before 1.6 wrote of `value` up to its storages, whose keys are `keys`.
inline std::string torch_stream(const std::string& value, const std::vector<std::string>& keys) {
  std::string list = "](";
  for (const std::string& key : keys) list += pickle_text(key);
  return pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + pickle("M\xe9\x03") +
         pickle(pickle_dict({{"little_endian", "\x88"}})) + pickle(value) + pickle(list + "e");
}

}  // namespace paraclip::test
