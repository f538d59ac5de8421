#pragma once

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/image/decode.h"

#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace paraclip::test {

/// tests/golden/image: small pictures of every kind and what the references make of them.
class ImageGolden {
 public:
  ImageGolden()
      : folder_(std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests" / "golden" / "image"),
        expected_(MappedFile::open(folder_ / "expected.bin")),
        pictures_(read_json(folder_ / "manifest.json").at("pictures")) {}

  const Json& pictures() const { return pictures_; }

  std::string bytes(const std::string& file) const { return read_file(folder_ / file); }

  Image decode(const std::string& file) const {
    const std::string encoded = bytes(file);
    return decode_image(std::as_bytes(std::span(encoded)), file);
  }

  /// The expected values at `place`, [offset, bytes].
  template <typename T>
  std::vector<T> expected(const Json& place) const {
    const auto bytes =
        expected_->bytes().subspan(place.at(0).get<size_t>(), place.at(1).get<size_t>());
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  std::filesystem::path folder_;
  std::shared_ptr<const MappedFile> expected_;
  Json pictures_;
};

}  // namespace paraclip::test
