#include "paraclip/io/zip_archive.h"

#include "paraclip/base/error.h"

#include <minizip/unzip.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace paraclip {
namespace {

constexpr size_t kMaxMembers = 30'000;
constexpr size_t kMaxName = 1024;

// The mapping as minizip reads it.
struct Stream {
  std::span<const std::byte> bytes;
  uint64_t place = 0;
};

Stream& stream_of(voidpf handle) { return *static_cast<Stream*>(handle); }

zlib_filefunc64_def functions(Stream& stream) {
  zlib_filefunc64_def functions{};
  functions.opaque = &stream;
  functions.zopen64_file = [](voidpf opaque, const void*, int) { return opaque; };
  functions.zread_file = [](voidpf, voidpf handle, void* buffer, uLong size) -> uLong {
    Stream& from = stream_of(handle);
    const uint64_t count = std::min<uint64_t>(size, from.bytes.size() - from.place);
    std::memcpy(buffer, from.bytes.data() + from.place, count);
    from.place += count;
    return count;
  };
  functions.zwrite_file = [](voidpf, voidpf, const void*, uLong) -> uLong { return 0; };
  functions.ztell64_file = [](voidpf, voidpf handle) -> ZPOS64_T {
    return stream_of(handle).place;
  };
  functions.zseek64_file = [](voidpf, voidpf handle, ZPOS64_T offset, int origin) -> long {
    Stream& in = stream_of(handle);
    const uint64_t base = origin == SEEK_SET   ? 0
                          : origin == SEEK_CUR ? in.place
                                               : uint64_t{in.bytes.size()};
    if (offset > in.bytes.size() - base) return -1;
    in.place = base + offset;
    return 0;
  };
  functions.zclose_file = [](voidpf, voidpf) { return 0; };
  functions.zerror_file = [](voidpf, voidpf) { return 0; };
  return functions;
}

// The walk over minizip's directory, one member at a time.
class Directory {
 public:
  explicit Directory(const MappedFile& file) : path_(file.path().string()), stream_{file.bytes()} {
    zlib_filefunc64_def access = functions(stream_);
    zip_.reset(unzOpen2_64("", &access));
    if (!zip_) malformed("it has no directory at its end; perhaps an incomplete download");
  }

  ZipArchive::Members read() {
    ZipArchive::Members members;
    int status = unzGoToFirstFile(zip_.get());
    unz_global_info64 info{};
    unzGetGlobalInfo64(zip_.get(), &info);
    if (info.number_entry == 0) return members;
    for (; status == UNZ_OK; status = unzGoToNextFile(zip_.get())) {
      if (members.size() == kMaxMembers) malformed("it has more than 30000 members");
      auto [name, member] = current();
      if (!members.emplace(std::move(name), member).second) malformed("it has two of one name");
    }
    if (status != UNZ_END_OF_LIST_OF_FILE) malformed("its directory is damaged");
    return members;
  }

 private:
  struct Close {
    void operator()(unzFile zip) const { unzClose(zip); }
  };

  [[noreturn]] void malformed(std::string_view found) const {
    fail(ErrorKind::kData, "{}: not a valid zip archive: {}", path_, found);
  }

  std::pair<std::string, ZipMember> current() {
    unz_file_info64 info{};
    std::array<char, kMaxName> name;
    if (unzGetCurrentFileInfo64(zip_.get(), &info, name.data(), name.size(), nullptr, 0, nullptr,
                                0) != UNZ_OK) {
      malformed("its directory is damaged");
    }
    if (info.size_filename > name.size()) malformed("it has a name of more than 1024 bytes");
    ZipMember member;
    int method = 0;
    int level = 0;
    if (unzOpenCurrentFile2(zip_.get(), &method, &level, /*raw=*/1) != UNZ_OK) {
      malformed("its directory does not fit its members");
    }
    member.begin = unzGetCurrentFileZStreamPos64(zip_.get());
    unzCloseCurrentFile(zip_.get());
    member.size = info.compressed_size;
    const uint64_t end = stream_.bytes.size();
    if (member.begin > end || member.size > end - member.begin) {
      malformed("a member reaches beyond its end; perhaps an incomplete download");
    }
    const bool encrypted = (info.flag & 1) != 0;
    member.stored = method == 0 && !encrypted && info.uncompressed_size == info.compressed_size;
    return {std::string(name.data(), info.size_filename), member};
  }

  std::string path_;
  Stream stream_;
  std::unique_ptr<void, Close> zip_;
};

}  // namespace

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file)
    : file_(std::move(file)), members_(Directory(*file_).read()) {
  check_overlap();
}

void ZipArchive::check_overlap() const {
  std::vector<const Members::value_type*> order;
  for (const auto& member : members_) order.push_back(&member);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.size) < std::pair(b->second.begin, b->second.size);
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const auto& [name, member] = *order[i - 1];
    if (member.begin + member.size > order[i]->second.begin) {
      fail(ErrorKind::kData, "{}: not a valid zip archive: '{}' and '{}' share bytes",
           file_->path().string(), name, order[i]->first);
    }
  }
}

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
