#include "paraclip/io/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <initializer_list>
#include <memory>
#include <stdexcept>

namespace paraclip {
namespace {

std::string digest_hex(const EVP_MD* kind, std::initializer_list<std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  bool good = context != nullptr && EVP_DigestInit_ex(context.get(), kind, nullptr) == 1;
  for (const std::string_view part : parts)
    good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  good = good && EVP_DigestFinal_ex(context.get(), digest, &size) == 1;
  if (!good) throw std::runtime_error("libcrypto cannot compute a digest");
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) { return digest_hex(EVP_sha256(), {bytes}); }

std::string git_blob_hash(std::string_view bytes) {
  const std::string size = std::to_string(bytes.size());
  return digest_hex(EVP_sha1(), {"blob ", size, std::string_view("\0", 1), bytes});
}

bool is_digest(std::string_view text, size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace paraclip
