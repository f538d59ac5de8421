#include "paraclip/io/safetensors.h"

#include "paraclip/base/error.h"
#include "paraclip/base/json.h"
#include "paraclip/io/mapped_tensor.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <tuple>

namespace paraclip {
namespace {

// The reference allows 100 MB. This is room for some 30,000 tensors, twenty times those of the
// largest CLIP, and keeps what a hostile header costs well below a second and 200 MB.
constexpr uint64_t kMaxHeader = 4'000'000;
constexpr size_t kMaxName = 1024;
constexpr size_t kMaxRank = 64;  // Of a torch tensor.
constexpr std::string_view kMetadata = "__metadata__";
constexpr std::string_view kIncomplete = "perhaps an incomplete download";

struct ElementType {
  std::string_view name;
  uint64_t bits;
  std::optional<at::ScalarType> torch;
};

constexpr std::array<ElementType, 22> kElementTypes = {{
    {"BOOL", 8, at::kBool},
    {"U8", 8, at::kByte},
    {"I8", 8, at::kChar},
    {"U16", 16, at::kUInt16},
    {"I16", 16, at::kShort},
    {"U32", 32, at::kUInt32},
    {"I32", 32, at::kInt},
    {"U64", 64, at::kUInt64},
    {"I64", 64, at::kLong},
    {"F16", 16, at::kHalf},
    {"BF16", 16, at::kBFloat16},
    {"F32", 32, at::kFloat},
    {"F64", 64, at::kDouble},
    {"C64", 64, at::kComplexFloat},
    {"F8_E4M3", 8, at::kFloat8_e4m3fn},
    {"F8_E5M2", 8, at::kFloat8_e5m2},
    {"F8_E8M0", 8, at::kFloat8_e8m0fnu},
    {"F8_E4M3FNUZ", 8, at::kFloat8_e4m3fnuz},
    {"F8_E5M2FNUZ", 8, at::kFloat8_e5m2fnuz},
    {"F4", 4, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},
}};

const ElementType* find_type(std::string_view name) {
  const auto* found = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                   [&](const ElementType& type) { return type.name == name; });
  return found == kElementTypes.end() ? nullptr : found;
}

const ElementType* find_type(at::ScalarType torch) {
  const auto* found = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                   [&](const ElementType& type) { return type.torch == torch; });
  return found == kElementTypes.end() ? nullptr : found;
}

// Receives the header's JSON as it is parsed. Only what the format allows gets through, so that a
// hostile header costs neither memory nor time beyond its own length.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(std::string path) : path_(std::move(path)) {}

  std::map<std::string, TensorInfo> tensors;
  std::map<std::string, std::string> metadata;

  bool null() override { unexpected("null"); }
  bool boolean(bool /*value*/) override { unexpected("a truth value"); }
  bool number_integer(int64_t /*value*/) override { unexpected("a negative number"); }
  bool number_float(double /*value*/, const std::string& /*text*/) override {
    unexpected("a number that is not a 64-bit integer");
  }
  bool binary(binary_t& /*value*/) override { unexpected("binary data"); }

  bool number_unsigned(uint64_t value) override {
    if (!in_array_) unexpected("a number");
    if (numbers_.size() == kMaxRank) unexpected("a list of more than 64 numbers");
    numbers_.push_back(value);
    return true;
  }

  bool string(std::string& value) override {
    if (in_array_ || depth_ != 2) unexpected("a string");
    if (name_ == kMetadata) {
      metadata[field_] = value;
    } else if (field_ == "dtype") {
      info_.dtype = value;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(size_t /*size*/) override {
    if (in_array_ || depth_ == 2) unexpected("an object");
    ++depth_;
    info_ = {};
    fields_.clear();
    return true;
  }

  bool key(std::string& value) override {
    if (value.size() > kMaxName) {
      fail(ErrorKind::kData, "{}: the header has a name of {} bytes, expected at most {}", path_,
           value.size(), kMaxName);
    }
    if (depth_ == 1) {
      name_ = value;
      if (tensors.contains(value) || (value == kMetadata && std::exchange(has_metadata_, true))) {
        fail(ErrorKind::kData, "{}: the name '{}' appears twice in the header", path_, value);
      }
      return true;
    }
    field_ = value;
    const bool known =
        name_ == kMetadata || value == "dtype" || value == "shape" || value == "data_offsets";
    if (!known) unexpected("an unknown key");
    if (!fields_.insert(value).second) {
      fail(ErrorKind::kData, "{}: {} appears twice in the header", path_, place());
    }
    return true;
  }

  bool end_object() override {
    if (depth_-- == 1 || name_ == kMetadata) return true;
    if (fields_.size() != 3) {
      fail(ErrorKind::kData, "{}: tensor '{}' lacks \"dtype\", \"shape\" or \"data_offsets\"",
           path_, name_);
    }
    tensors.emplace(name_, std::move(info_));
    return true;
  }

  bool start_array(size_t /*size*/) override {
    const bool list = depth_ == 2 && name_ != kMetadata && field_ != "dtype";
    if (in_array_ || !list) unexpected("a list");
    in_array_ = true;
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    if (field_ == "data_offsets") {
      if (numbers_.size() != 2) unexpected("a list of other than two numbers");
      info_.begin = numbers_[0];
      info_.end = numbers_[1];
      return true;
    }
    for (const uint64_t size : numbers_) {
      if (size > uint64_t{INT64_MAX}) unexpected("a size beyond 63 bits");
      info_.shape.push_back(static_cast<int64_t>(size));
    }
    return true;
  }

  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    fail(ErrorKind::kData, "{}: the header is not valid JSON: {}", path_, json_error_text(error));
  }

 private:
  std::string place() const {
    if (depth_ == 0) return "the header";
    return depth_ == 1 ? fmt::format("'{}'", name_) : fmt::format("\"{}\" of '{}'", field_, name_);
  }

  [[noreturn]] void unexpected(std::string_view found) const {
    fail(ErrorKind::kData, "{}: {} is {}, which the safetensors format does not allow there", path_,
         place(), found);
  }

  std::string path_;
  int depth_ = 0;  // Of objects: 1 in the header, 2 in a tensor or the metadata.
  bool in_array_ = false;
  bool has_metadata_ = false;
  std::string name_;
  std::string field_;
  std::set<std::string> fields_;
  TensorInfo info_;
  std::vector<uint64_t> numbers_;
};

// The bytes that a tensor needs. Throws kData.
uint64_t expected_size(const std::string& path, const std::string& name, const TensorInfo& info) {
  const ElementType* type = find_type(info.dtype);
  if (type == nullptr) {
    fail(ErrorKind::kData, "{}: tensor '{}' has the unknown type \"{}\"", path, name, info.dtype);
  }
  const std::optional<int64_t> count = checked_numel(info.shape);
  uint64_t bits = 0;
  if (!count || __builtin_mul_overflow(static_cast<uint64_t>(*count), type->bits, &bits)) {
    fail(ErrorKind::kData, "{}: tensor '{}' has shape [{}], which is too large for 64 bits", path,
         name, fmt::join(info.shape, ", "));
  }
  if (bits % 8 != 0) {
    fail(ErrorKind::kData, "{}: tensor '{}' of type {} and shape [{}] does not fill whole bytes",
         path, name, info.dtype, fmt::join(info.shape, ", "));
  }
  return bits / 8;
}

// The tensors must fill the data exactly, one after the other, each with the size of its shape.
void check_layout(const std::string& path, const std::map<std::string, TensorInfo>& tensors,
                  uint64_t data_size) {
  using Named = std::pair<const std::string, TensorInfo>;
  std::vector<const Named*> order;
  for (const Named& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return std::tie(a->second.begin, a->second.end) < std::tie(b->second.begin, b->second.end);
  });
  uint64_t position = 0;
  for (const Named* tensor : order) {
    const auto& [name, info] = *tensor;
    if (info.begin != position || info.end < info.begin) {
      fail(ErrorKind::kData,
           "{}: tensor '{}' has offsets [{}, {}), expected them to begin at {}, where the tensor "
           "before it ends: tensors must neither overlap nor leave holes",
           path, name, info.begin, info.end, position);
    }
    const uint64_t expected = expected_size(path, name, info);
    if (info.end - info.begin != expected) {
      fail(ErrorKind::kData, "{}: tensor '{}' has offsets [{}, {}), expected {} bytes for {} [{}]",
           path, name, info.begin, info.end, expected, info.dtype, fmt::join(info.shape, ", "));
    }
    position = info.end;
  }
  if (position != data_size) {
    fail(ErrorKind::kData, "{}: {} bytes of data follow the header, expected {}; {}", path,
         data_size, position,
         data_size < position ? kIncomplete : "something was appended to the file");
  }
}

// The length of the header, checked to be inside the file.
uint64_t header_size(const MappedFile& file) {
  const std::string path = file.path().string();
  const uint64_t file_size = file.bytes().size();
  uint64_t size = 0;
  if (file_size < sizeof size) {
    fail(ErrorKind::kData, "{}: the file has {} bytes, too few for a safetensors header; {}", path,
         file_size, kIncomplete);
  }
  std::memcpy(&size, file.bytes().data(), sizeof size);
  if (size > kMaxHeader) {
    fail(ErrorKind::kData,
         "{}: the header would have {} bytes, expected at most {}; this is not a safetensors file, "
         "or one of far more tensors than a model has",
         path, size, kMaxHeader);
  }
  if (size > file_size - sizeof size) {
    fail(ErrorKind::kData, "{}: the header has {} bytes, but only {} are left in the file; {}",
         path, size, file_size - sizeof size, kIncomplete);
  }
  return size;
}

}  // namespace

std::string safetensors_dtype(at::ScalarType type) {
  const ElementType* found = find_type(type);
  if (found == nullptr) {
    fail(ErrorKind::kUsage, "{} is a type that safetensors lacks", c10::toString(type));
  }
  return std::string(found->name);
}

SafetensorsFile::SafetensorsFile(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {
  const uint64_t size = header_size(*file_);
  data_begin_ = sizeof size + size;
  HeaderReader header(path().string());
  Json::sax_parse(file_->text().substr(sizeof size, size), &header);
  check_layout(path().string(), header.tensors, file_->bytes().size() - data_begin_);
  tensors_ = std::move(header.tensors);
  metadata_ = std::move(header.metadata);
  for (const auto& entry : tensors_) names_.push_back(entry.first);
}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  return SafetensorsFile(MappedFile::open(path));
}

const TensorInfo& SafetensorsFile::info(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    fail(ErrorKind::kData, "{}: there is no tensor '{}'", path().string(), name);
  }
  return found->second;
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const TensorInfo& found = info(name);
  const std::optional<at::ScalarType> type = find_type(found.dtype)->torch;
  if (!type) {
    fail(ErrorKind::kData, "{}: tensor '{}' is of type {}, which torch cannot hold",
         path().string(), name, found.dtype);
  }
  const uint64_t offset = data_begin_ + found.begin;
  // A byte other than 0 and 1 is no valid bool.
  if (type == at::kBool) return mapped_tensor(file_, offset, found.shape, at::kByte).to(at::kBool);
  return mapped_tensor(file_, offset, found.shape, *type);
}

const std::vector<int64_t>& SafetensorsFile::shape(const std::string& name) const {
  return info(name).shape;
}

const std::string& SafetensorsFile::dtype(const std::string& name) const {
  return info(name).dtype;
}

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  using Named = std::pair<std::string, at::Tensor>;
  std::vector<const Named*> order;
  for (const Named& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const Named* a, const Named* b) {
    return std::pair(b->second.element_size(), std::string_view(a->first)) <
           std::pair(a->second.element_size(), std::string_view(b->first));
  });

  std::string header = "{";
  if (!metadata.empty()) header += fmt::format("\"{}\":{}", kMetadata, dump_json(Json(metadata)));
  std::set<std::string_view> names = {kMetadata};
  uint64_t end = 0;
  for (const Named* tensor : order) {
    const auto& [name, value] = *tensor;
    const ElementType* type = find_type(value.scalar_type());
    if (type == nullptr) {
      fail(ErrorKind::kUsage, "cannot write {}: tensor '{}' is {}, which the format lacks",
           path.string(), name, c10::toString(value.scalar_type()));
    }
    if (!names.insert(name).second) {
      fail(ErrorKind::kUsage, "cannot write {}: the name '{}' is taken", path.string(), name);
    }
    const uint64_t begin = end;
    end += static_cast<uint64_t>(value.numel()) * value.element_size();
    header += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() > 1 ? "," : "", dump_json(Json(name)), type->name,
                          fmt::join(value.sizes(), ","), begin, end);
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');

  AtomicFile file(path);
  const uint64_t size = header.size();
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(header);
  for (const Named* tensor : order) {
    const at::Tensor data = tensor->second.detach().to(at::kCPU).resolve_conj().contiguous();
    file.write(std::span(static_cast<const std::byte*>(data.data_ptr()), data.nbytes()));
  }
  file.commit();
}

}  // namespace paraclip
