#include "paraclip/io/tar.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/io/archive_handle.h"

#include <cerrno>
#include <exception>
#include <functional>
#include <new>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

struct FreeWriter {
  void operator()(archive* writer) const { ::archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

}  // namespace

struct TarReader::State {
  std::shared_ptr<const MappedFile> file;
  std::unique_ptr<archive, FreeReader> reader;
  uint64_t max_member = 0;
  std::string last;     // The member read last.
  std::string content;  // Of a member that is not one piece of the file.
  std::string problem;
  bool started = false;
  bool ended = false;

  bool fail_at(std::string_view what);
  bool next_entry(archive_entry*& entry);
  bool read_content(TarMember& member, uint64_t size);
  bool is_in_file(const std::byte* data) const;
};

bool TarReader::State::fail_at(std::string_view what) {
  problem = fmt::format("{}: {}, {}", file->path().string(), what,
                        last.empty() ? "before its first file" : fmt::format("after {}", last));
  ended = true;
  return false;
}

bool TarReader::State::next_entry(archive_entry*& entry) {
  const int result = ::archive_read_next_header(reader.get(), &entry);
  if (result == ARCHIVE_EOF) {
    ended = true;
    return false;
  }
  if (result == ARCHIVE_OK || result == ARCHIVE_WARN) {
    started = true;
    return true;
  }
  if (!started) {
    fail(ErrorKind::kData, "{} is not a tar archive: {}; expected tar or tar.gz",
         file->path().string(), archive_error(reader.get()));
  }
  return fail_at(archive_error(reader.get()));
}

bool TarReader::State::is_in_file(const std::byte* data) const {
  const std::span<const std::byte> bytes = file->bytes();
  return std::less_equal<>()(bytes.data(), data) &&
         std::less<>()(data, bytes.data() + bytes.size());
}

bool TarReader::State::read_content(TarMember& member, uint64_t size) {
  content.clear();
  for (;;) {
    const void* block = nullptr;
    size_t length = 0;
    la_int64_t offset = 0;
    const int result = ::archive_read_data_block(reader.get(), &block, &length, &offset);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
      return fail_at(fmt::format("{} in {}", archive_error(reader.get()), member.name));
    }
    const auto begin = static_cast<uint64_t>(offset);
    if (begin < content.size() || begin > size || length > size - begin) {
      return fail_at(fmt::format("the pieces of {} do not fit its size", member.name));
    }
    const auto* bytes = static_cast<const std::byte*>(block);
    if (length == size && size > 0 && is_in_file(bytes)) {
      member.offset = static_cast<uint64_t>(bytes - file->bytes().data());
      member.bytes = {bytes, length};
      return true;
    }
    content.resize(begin);  // Holes of a sparse file are zeros.
    content.append(static_cast<const char*>(block), length);
  }
  content.resize(size);
  member.bytes = std::as_bytes(std::span(content));
  return true;
}

TarReader::TarReader(const fs::path& path, uint64_t max_member)
    : state_(std::make_unique<State>()) {
  state_->file = MappedFile::open(path);
  state_->max_member = max_member;
  state_->reader.reset(::archive_read_new());
  archive* reader = state_->reader.get();
  if (!reader) throw std::bad_alloc();
  const std::span<const std::byte> bytes = state_->file->bytes();
  ::archive_read_support_format_tar(reader);
  ::archive_read_support_filter_gzip(reader);
  if (bytes.empty() ||
      ::archive_read_open_memory(reader, bytes.data(), bytes.size()) != ARCHIVE_OK) {
    fail(ErrorKind::kData, "{} is not a tar archive: {}; expected tar or tar.gz", path.string(),
         bytes.empty() ? "it is empty" : archive_error(reader));
  }
}

TarReader::TarReader(TarReader&&) noexcept = default;
TarReader& TarReader::operator=(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

bool TarReader::next(TarMember& member) {
  if (state_->ended) return false;
  const Utf8Locale locale;
  for (archive_entry* entry = nullptr; state_->next_entry(entry);) {
    if (::archive_entry_filetype(entry) != AE_IFREG || ::archive_entry_hardlink(entry)) continue;
    const char* name = ::archive_entry_pathname(entry);
    member = TarMember{.name = name ? name : "", .bytes = {}, .too_large = false, .offset = {}};
    const auto size = static_cast<uint64_t>(::archive_entry_size(entry));
    member.too_large = size > state_->max_member;
    if (!member.too_large && !state_->read_content(member, size)) return false;
    state_->last = member.name;
    return true;
  }
  return false;
}

const std::string& TarReader::problem() const { return state_->problem; }

struct TarWriter::State {
  explicit State(fs::path path_given) : path(path_given), file(std::move(path_given)) {}

  [[noreturn]] void rethrow_or_fail(std::string_view name);

  fs::path path;
  AtomicFile file;
  std::exception_ptr failed;  // Thrown inside libarchive's callback, which cannot pass it on.
  std::unique_ptr<archive, FreeWriter> writer;  // Last: freeing it may still write.
};

void TarWriter::State::rethrow_or_fail(std::string_view name) {
  if (failed) std::rethrow_exception(failed);
  fail(ErrorKind::kUsage, "cannot write {} to {}: {}", name, path.string(),
       archive_error(writer.get()));
}

TarWriter::TarWriter(fs::path path) : state_(std::make_unique<State>(std::move(path))) {
  state_->writer.reset(::archive_write_new());
  archive* writer = state_->writer.get();
  if (!writer) throw std::bad_alloc();
  const Utf8Locale locale;
  ::archive_write_set_format_pax_restricted(writer);
  ::archive_write_add_filter_none(writer);
  const auto write = [](archive* handle, void* state, const void* data, size_t size) -> la_ssize_t {
    auto& self = *static_cast<State*>(state);
    try {
      self.file.write(std::string_view(static_cast<const char*>(data), size));
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      self.failed = std::current_exception();
      ::archive_set_error(handle, EIO, "cannot write");
      return -1;
    }
  };
  if (::archive_write_open2(writer, state_.get(), nullptr, write, nullptr, nullptr) != ARCHIVE_OK) {
    state_->rethrow_or_fail("an archive");
  }
}

TarWriter::TarWriter(TarWriter&&) noexcept = default;
TarWriter& TarWriter::operator=(TarWriter&&) noexcept = default;

TarWriter::~TarWriter() {
  // Not archive_write_free alone: that would write the end of an archive that is given up.
  if (state_ && state_->writer) ::archive_write_fail(state_->writer.get());
}

void TarWriter::add(std::string_view name, std::string_view content) {
  const std::unique_ptr<archive_entry, FreeEntry> entry(::archive_entry_new());
  if (!entry) throw std::bad_alloc();
  const Utf8Locale locale;
  const std::string terminated(name);
  if (name.empty() || name.find('\0') != std::string_view::npos ||
      !::archive_entry_update_pathname_utf8(entry.get(), terminated.c_str())) {
    fail(ErrorKind::kUsage, "cannot write to {}: a file's name must be UTF-8 and not empty: \"{}\"",
         state_->path.string(), name);
  }
  ::archive_entry_set_filetype(entry.get(), AE_IFREG);
  ::archive_entry_set_perm(entry.get(), 0644);
  ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  ::archive_entry_set_mtime(entry.get(), 0, 0);
  archive* writer = state_->writer.get();
  if (::archive_write_header(writer, entry.get()) != ARCHIVE_OK ||
      ::archive_write_data(writer, content.data(), content.size()) !=
          static_cast<la_ssize_t>(content.size())) {
    state_->rethrow_or_fail(name);
  }
}

void TarWriter::commit() {
  if (::archive_write_close(state_->writer.get()) != ARCHIVE_OK) {
    state_->rethrow_or_fail("the end");
  }
  state_->file.commit();
}

}  // namespace paraclip
