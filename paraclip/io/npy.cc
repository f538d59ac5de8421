#include "paraclip/io/npy.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/io/mapped_tensor.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace paraclip {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeader = 10000;
constexpr size_t kAlignment = 64;

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 6> kTypes = {{
    {"<f2", at::kHalf},
    {"<f4", at::kFloat},
    {"<f8", at::kDouble},
    {"<i4", at::kInt},
    {"<i8", at::kLong},
    {"|u1", at::kByte},
}};

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

// Reads the Python literal {'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }: its keys
// may come in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::filesystem::path& path)
      : rest_(text), path_(path) {}

  Header parse() {
    Header header;
    expect("{");
    while (!accept("}")) {
      const std::string key = string();
      expect(":");
      if (key == "descr" && !header.descr) {
        header.descr = string();
      } else if (key == "fortran_order" && !header.fortran_order) {
        header.fortran_order = accept("True");
        if (!*header.fortran_order) expect("False");
      } else if (key == "shape" && !header.shape) {
        header.shape = tuple();
      } else {
        fail(ErrorKind::kData, "{}: the key '{}' of the header is unknown or appears twice",
             path_.string(), key);
      }
      if (!accept(",")) {
        expect("}");
        break;
      }
    }
    skip_blanks();
    if (!rest_.empty()) malformed("the end");
    if (!header.descr || !header.fortran_order || !header.shape) {
      fail(ErrorKind::kData, "{}: the header lacks 'descr', 'fortran_order' or 'shape'",
           path_.string());
    }
    return header;
  }

 private:
  [[noreturn]] void malformed(std::string_view expected) const {
    fail(ErrorKind::kData, "{}: the header is malformed: expected {} at \"{}\"", path_.string(),
         expected, rest_.substr(0, 20));
  }

  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size()));
  }

  bool accept(std::string_view token) {
    skip_blanks();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) malformed(token);
  }

  std::string string() {
    skip_blanks();
    if (rest_.starts_with('[')) {
      fail(ErrorKind::kData, "{}: it holds records of several fields, expected plain numbers",
           path_.string());
    }
    if (!rest_.starts_with('\'') && !rest_.starts_with('"')) malformed("a string");
    const size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) malformed("a closed string");
    std::string value(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return value;
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> values;
    expect("(");
    while (!accept(")")) {
      skip_blanks();
      int64_t value = 0;
      const char* end = rest_.data() + rest_.size();
      const auto [stop, error] = std::from_chars(rest_.data(), end, value);
      if (error != std::errc() || value < 0) malformed("a size");
      rest_.remove_prefix(static_cast<size_t>(stop - rest_.data()));
      values.push_back(value);
      if (!accept(",")) {
        expect(")");
        break;
      }
    }
    return values;
  }

  std::string_view rest_;
  const std::filesystem::path& path_;
};

// Of the header's text, its place in the file; checked to be inside it.
std::pair<size_t, size_t> locate_header(const MappedFile& file) {
  const std::string path = file.path().string();
  const std::string_view text = file.text();
  if (!text.starts_with(kMagic) || text.size() < kMagic.size() + 2) {
    fail(ErrorKind::kData, "{} is not a NumPy array file: it does not begin with \\x93NUMPY", path);
  }
  const auto byte = [&](size_t index) { return size_t{static_cast<unsigned char>(text[index])}; };
  const size_t version = byte(6);
  if (version < 1 || version > 3 || byte(7) != 0) {
    fail(ErrorKind::kData, "{}: version {}.{} of the format is unknown, expected 1.0 to 3.0", path,
         version, byte(7));
  }
  const size_t begin = version == 1 ? 10 : 12;
  size_t size = 0;
  if (text.size() >= begin) {
    for (size_t index = begin; index-- > 8;) size = size << 8 | byte(index);
  }
  if (text.size() < begin || size > text.size() - begin) {
    fail(ErrorKind::kData, "{}: the header is cut off; perhaps an incomplete download", path);
  }
  if (size > kMaxHeader) {
    fail(ErrorKind::kData, "{}: the header has {} bytes, expected at most {}", path, size,
         kMaxHeader);
  }
  return {begin, size};
}

at::ScalarType scalar_type(const std::string& descr, const std::filesystem::path& path) {
  for (const auto& [name, type] : kTypes) {
    if (name == descr) return type;
  }
  const std::string_view why = descr.starts_with('>')                 ? " (big-endian)"
                               : descr.find('O') != std::string::npos ? " (pickled Python objects)"
                                                                      : "";
  fail(ErrorKind::kData,
       "{}: elements of type '{}'{} cannot be read, expected f2, f4, f8, i4, i8 (little-endian) or "
       "u1; convert it, for example with numpy.save(path, array.astype('<f4'))",
       path.string(), descr, why);
}

std::string header_text(std::string_view descr, at::IntArrayRef shape) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   descr, fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  const size_t before = kMagic.size() + 4;
  const size_t total = (before + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  header.append(total - before - header.size() - 1, ' ');
  header.push_back('\n');
  return header;
}

}  // namespace

at::Tensor read_npy(const std::filesystem::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const auto [begin, size] = locate_header(*file);
  Header header = HeaderParser(file->text().substr(begin, size), path).parse();
  const at::ScalarType type = scalar_type(*header.descr, path);
  std::vector<int64_t>& shape = *header.shape;
  const std::optional<int64_t> count = checked_numel(shape);
  const uint64_t data_size = file->bytes().size() - begin - size;
  uint64_t expected = 0;
  if (!count ||
      __builtin_mul_overflow(static_cast<uint64_t>(*count), c10::elementSize(type), &expected)) {
    fail(ErrorKind::kData, "{}: the shape [{}] is too large for 64 bits", path.string(),
         fmt::join(shape, ", "));
  }
  if (data_size != expected) {
    fail(ErrorKind::kData,
         "{}: {} bytes of data follow the header, expected {} for shape [{}] of type '{}'{}",
         path.string(), data_size, expected, fmt::join(shape, ", "), *header.descr,
         data_size < expected ? "; perhaps an incomplete download" : "");
  }
  if (!*header.fortran_order) return mapped_tensor(file, begin + size, shape, type);
  std::reverse(shape.begin(), shape.end());
  std::vector<int64_t> axes(shape.size());
  std::iota(axes.rbegin(), axes.rend(), 0);
  return mapped_tensor(file, begin + size, shape, type).permute(axes);
}

void write_npy(const std::filesystem::path& path, const at::Tensor& array) {
  const at::ScalarType type = array.scalar_type();
  if (type != at::kHalf && type != at::kFloat && type != at::kLong) {
    fail(ErrorKind::kUsage, "cannot write {}: its elements are {}, expected f16, f32 or i64",
         path.string(), c10::toString(type));
  }
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const auto& entry) { return entry.second == type; });
  const std::string header = header_text(found->first, array.sizes());
  const at::Tensor data = array.detach().to(at::kCPU).contiguous();
  AtomicFile file(path);
  file.write(kMagic);
  file.write(std::string_view("\x01\x00", 2));
  const std::array<char, 2> length = {static_cast<char>(header.size() & 0xff),
                                      static_cast<char>(header.size() >> 8)};
  file.write(std::string_view(length.data(), length.size()));
  file.write(header);
  file.write(std::span(static_cast<const std::byte*>(data.data_ptr()), data.nbytes()));
  file.commit();
}

}  // namespace paraclip
