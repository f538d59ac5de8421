#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace paraclip {

/// The SHA-256 of `bytes`, 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

/// The name that git gives a file of these `bytes`: the SHA-1 of "blob SIZE\0" and the bytes, 40
/// lower-case hexadecimal digits.
std::string git_blob_hash(std::string_view bytes);

/// Whether `text` is a digest of that many lower-case hexadecimal digits.
bool is_digest(std::string_view text, size_t digits);

}  // namespace paraclip
