#include "paraclip/io/zip_archive.h"

#include "paraclip/base/error.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace paraclip {
namespace {

constexpr uint64_t kMaxMembers = 30'000;
constexpr size_t kMaxName = 1024;

// The fixed parts of what a zip archive is made of, in bytes.
constexpr uint64_t kLocalHeader = 30;
constexpr uint64_t kEntry = 46;  // Of the directory.
constexpr uint64_t kEnd = 22;
constexpr uint64_t kEnd64 = 56;
constexpr uint64_t kEnd64Locator = 20;

// A field that holds this is continued in 64 bits elsewhere.
constexpr uint32_t kSaturated = UINT32_MAX;

// Reads the directory, which stands at the end of an archive. Offsets are the specification's:
// PKWARE's APPNOTE.TXT, 4.3.7 to 4.3.16 and 4.5.3.
class Directory {
 public:
  explicit Directory(const MappedFile& file) : path_(file.path().string()), bytes_(file.text()) {}

  ZipArchive::Members read() {
    find();
    if (count_ > kMaxMembers) malformed("it has more than 30000 members");
    ZipArchive::Members members;
    uint64_t place = begin_;
    for (uint64_t i = 0; i < count_; ++i) {
      auto [name, member] = next(place);
      if (!members.emplace(std::move(name), member).second) malformed("it has two of one name");
    }
    if (place != end_) malformed("its directory is damaged");
    check_overlap();
    return members;
  }

 private:
  // Where the directory lies and how many members it has.
  void find() {
    const uint64_t end = find_end();
    count_ = number<uint16_t>(end + 10);
    uint64_t size = number<uint32_t>(end + 12);
    begin_ = number<uint32_t>(end + 16);
    uint64_t limit = end;
    if (count_ == UINT16_MAX || size == kSaturated || begin_ == kSaturated) {
      if (end < kEnd64Locator) malformed("its directory is damaged");
      limit = number<uint64_t>(signed_at(end - kEnd64Locator, "PK\x06\x07") + 8);
      if (limit > end - kEnd64Locator || end - kEnd64Locator - limit < kEnd64) {
        malformed("its directory is damaged");
      }
      signed_at(limit, "PK\x06\x06");
      count_ = number<uint64_t>(limit + 32);
      size = number<uint64_t>(limit + 40);
      begin_ = number<uint64_t>(limit + 48);
    }
    if (begin_ > limit || size > limit - begin_) malformed("its directory is damaged");
    end_ = begin_ + size;
  }

  // The record that ends the archive: the last one whose comment does so.
  uint64_t find_end() const {
    const size_t tail = bytes_.size() - std::min<size_t>(bytes_.size(), kEnd + UINT16_MAX);
    const std::string_view ends = bytes_.substr(tail);
    for (size_t at = ends.rfind("PK\x05\x06"); at != std::string_view::npos;
         at = at == 0 ? at - 1 : ends.rfind("PK\x05\x06", at - 1)) {
      const uint64_t left = ends.size() - at;
      if (left >= kEnd && number<uint16_t>(tail + at + 20) == left - kEnd) return tail + at;
    }
    malformed("it has no directory at its end; perhaps an incomplete download");
  }

  // The member whose entry in the directory begins at `place`, which is moved behind it.
  std::pair<std::string, ZipMember> next(uint64_t& place) {
    const uint64_t entry = signed_at(place, "PK\x01\x02");
    const uint64_t name_size = number<uint16_t>(entry + 28);
    const uint64_t extra_size = number<uint16_t>(entry + 30);
    place = entry + kEntry + name_size + extra_size + number<uint16_t>(entry + 32);
    if (place > end_) malformed("its directory is damaged");
    if (name_size > kMaxName) malformed("it has a name of more than 1024 bytes");
    const std::string_view name = bytes_.substr(entry + kEntry, name_size);

    uint64_t size = number<uint32_t>(entry + 24);
    uint64_t packed = number<uint32_t>(entry + 20);
    uint64_t header = number<uint32_t>(entry + 42);
    widen(bytes_.substr(entry + kEntry + name_size, extra_size), {&size, &packed, &header});

    const bool encrypted = (number<uint16_t>(entry + 8) & 1) != 0;
    ZipMember member;
    member.stored = number<uint16_t>(entry + 10) == 0 && !encrypted && size == packed;
    member.size = packed;
    member.begin = data_of(header, name);
    if (member.begin > begin_ || packed > begin_ - member.begin) {
      malformed("a member reaches beyond its end; perhaps an incomplete download");
    }
    ranges_.emplace_back(header, member.begin + packed);
    return {std::string(name), member};
  }

  // Replaces those of `fields` that are saturated by what `extra` has for them, one after the
  // other.
  static void widen(std::string_view extra, std::initializer_list<uint64_t*> fields) {
    constexpr uint16_t kZip64 = 1;
    constexpr size_t kHead = 2 * sizeof(uint16_t);
    uint16_t head[2];
    for (; extra.size() >= kHead; extra.remove_prefix(std::min(extra.size(), kHead + head[1]))) {
      std::memcpy(head, extra.data(), kHead);
      if (head[0] != kZip64) continue;
      std::string_view wide = extra.substr(kHead, head[1]);
      for (uint64_t* field : fields) {
        if (*field != kSaturated || wide.size() < sizeof *field) continue;
        std::memcpy(field, wide.data(), sizeof *field);
        wide.remove_prefix(sizeof *field);
      }
      return;
    }
  }

  // Where the data begin behind the local header at `header`, which repeats the name.
  uint64_t data_of(uint64_t header, std::string_view name) const {
    signed_at(header, "PK\x03\x04");
    const uint64_t name_size = number<uint16_t>(header + 26);
    const uint64_t extra_size = number<uint16_t>(header + 28);
    if (bytes_.substr(std::min<uint64_t>(header + kLocalHeader, bytes_.size()), name_size) !=
        name) {
      malformed("its directory does not fit its members");
    }
    return header + kLocalHeader + name_size + extra_size;
  }

  void check_overlap() {
    std::sort(ranges_.begin(), ranges_.end());
    for (size_t i = 1; i < ranges_.size(); ++i) {
      if (ranges_[i - 1].second > ranges_[i].first) malformed("its members share bytes");
    }
  }

  uint64_t signed_at(uint64_t place, std::string_view signature) const {
    if (place > bytes_.size() || !bytes_.substr(place).starts_with(signature)) {
      malformed("its directory does not fit its members");
    }
    return place;
  }

  template <typename T>
  T number(uint64_t place) const {
    T value;
    if (place > bytes_.size() || bytes_.size() - place < sizeof value) {
      malformed("its directory is damaged");
    }
    std::memcpy(&value, bytes_.data() + place, sizeof value);
    return value;
  }

  [[noreturn]] void malformed(std::string_view found) const {
    fail(ErrorKind::kData, "{}: not a valid zip archive: {}", path_, found);
  }

  std::string path_;
  std::string_view bytes_;
  uint64_t begin_ = 0;  // Of the directory.
  uint64_t end_ = 0;
  uint64_t count_ = 0;
  std::vector<std::pair<uint64_t, uint64_t>> ranges_;  // Of members, from their headers on.
};

}  // namespace

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file)
    : file_(std::move(file)), members_(Directory(*file_).read()) {}

std::string_view ZipArchive::stored(std::string_view name) const {
  const auto found = members_.find(name);
  if (found == members_.end()) {
    fail(ErrorKind::kData, "{}: the archive has no member '{}'", file_->path().string(), name);
  }
  if (!found->second.stored) {
    fail(ErrorKind::kData,
         "{}: '{}' in the archive is compressed or encrypted, expected it to be stored as it is, "
         "as torch.save does",
         file_->path().string(), name);
  }
  return file_->text().substr(found->second.begin, found->second.size);
}

}  // namespace paraclip
