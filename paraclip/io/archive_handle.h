#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <string>

// What the readers and writers of archives share around libarchive.
namespace paraclip {

/// libarchive converts names to the character set of the locale, which for a program that sets none
/// is ASCII; while this lives, the calling thread's is UTF-8.
class Utf8Locale {
 public:
  Utf8Locale()
      : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)),
        before_(utf8_ ? ::uselocale(utf8_) : nullptr) {}
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  ~Utf8Locale() {
    if (!utf8_) return;
    ::uselocale(before_);
    ::freelocale(utf8_);
  }

 private:
  locale_t utf8_;
  locale_t before_;
};

struct FreeReader {
  void operator()(archive* reader) const { ::archive_read_free(reader); }
};

/// What libarchive says went wrong last.
inline std::string archive_error(archive* handle) {
  const char* text = ::archive_error_string(handle);
  return text ? text : "unknown error";
}

}  // namespace paraclip
