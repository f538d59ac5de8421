#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace paraclip::test {

/// A member of an archive that a test makes, however unfit.
struct ArchiveMember {
  std::string name;
  std::string content = {};
  std::string symlink = {};   ///< If not empty it is a symbolic link to that.
  std::string hardlink = {};  ///< If not empty it is a hard link to that.
};

/// Writes `members` as they are to `path`: zip if it is called so, tar.gz otherwise.
inline void make_archive(const std::filesystem::path& path,
                         const std::vector<ArchiveMember>& members) {
  archive* writer = ::archive_write_new();
  if (path.extension() == ".zip") {
    ::archive_write_set_format_zip(writer);
  } else {
    ::archive_write_set_format_pax_restricted(writer);
    ::archive_write_add_filter_gzip(writer);
  }
  ASSERT_EQ(::archive_write_open_filename(writer, path.c_str()), ARCHIVE_OK);
  for (const ArchiveMember& member : members) {
    archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, member.name.c_str());
    ::archive_entry_set_filetype(entry, member.symlink.empty() ? AE_IFREG : AE_IFLNK);
    if (!member.symlink.empty()) ::archive_entry_set_symlink(entry, member.symlink.c_str());
    if (!member.hardlink.empty()) ::archive_entry_set_hardlink(entry, member.hardlink.c_str());
    ::archive_entry_set_perm(entry, 0644);
    ::archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
    ASSERT_EQ(::archive_write_header(writer, entry), ARCHIVE_OK) << ::archive_error_string(writer);
    ::archive_write_data(writer, member.content.data(), member.content.size());
    ::archive_entry_free(entry);
  }
  ASSERT_EQ(::archive_write_close(writer), ARCHIVE_OK);
  ::archive_write_free(writer);
}

}  // namespace paraclip::test
