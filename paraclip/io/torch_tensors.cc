#include "paraclip/io/torch_tensors.h"

#include "paraclip/base/error.h"
#include "paraclip/io/mapped_tensor.h"
#include "paraclip/io/safetensors.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

namespace paraclip {
namespace {

using Kind = PickleValue::Kind;
using Entries = std::map<std::string, TensorFile::Entry>;

constexpr size_t kMaxRank = 64;  // Of a torch tensor.
constexpr size_t kMaxName = 512;
constexpr size_t kMaxEntries = 100'000;

// One element type as pickles name it: the storage that holds it and torch's name for the type.
struct ElementType {
  std::string_view storage;  // Empty: such tensors lie in storages without a type.
  std::string_view dtype;
  at::ScalarType type;
};

constexpr std::array<ElementType, 19> kElementTypes = {{
    {"FloatStorage", "float32", at::kFloat},
    {"HalfStorage", "float16", at::kHalf},
    {"BFloat16Storage", "bfloat16", at::kBFloat16},
    {"DoubleStorage", "float64", at::kDouble},
    {"LongStorage", "int64", at::kLong},
    {"IntStorage", "int32", at::kInt},
    {"ShortStorage", "int16", at::kShort},
    {"CharStorage", "int8", at::kChar},
    {"ByteStorage", "uint8", at::kByte},
    {"BoolStorage", "bool", at::kBool},
    {"ComplexFloatStorage", "complex64", at::kComplexFloat},
    {"", "uint16", at::kUInt16},
    {"", "uint32", at::kUInt32},
    {"", "uint64", at::kUInt64},
    {"", "float8_e4m3fn", at::kFloat8_e4m3fn},
    {"", "float8_e5m2", at::kFloat8_e5m2},
    {"", "float8_e4m3fnuz", at::kFloat8_e4m3fnuz},
    {"", "float8_e5m2fnuz", at::kFloat8_e5m2fnuz},
    {"", "float8_e8m0fnu", at::kFloat8_e8m0fnu},
}};

std::optional<at::ScalarType> storage_type(std::string_view module, std::string_view name) {
  if (module == "torch.storage" && name == "UntypedStorage") return at::kByte;
  if ((module != "torch" && module != "torch.cuda") || name.empty()) return std::nullopt;
  for (const ElementType& type : kElementTypes) {
    if (type.storage == name) return type.type;
  }
  return std::nullopt;
}

std::optional<at::ScalarType> element_type(std::string_view module, std::string_view name) {
  if (module != "torch") return std::nullopt;
  for (const ElementType& type : kElementTypes) {
    if (type.dtype == name) return type.type;
  }
  return std::nullopt;
}

constexpr std::array kInertGlobals = {
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.Size",
    "torch.device",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "argparse.Namespace",
    "_codecs.encode",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
};

// Types of Python's own, which stand for empty containers and as factories of a defaultdict.
constexpr std::array kInertBuiltins = {"list", "dict",  "tuple", "set",     "frozenset", "int",
                                       "bool", "float", "str",   "complex", "bytearray", "bytes"};

// A tensor as it lies in the file, checked.
struct Tensor {
  at::ScalarType type = at::kByte;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  uint64_t begin = 0;    // Of its first element, in bytes from the start of the file.
  int64_t elements = 0;  // Up to its last one, whether they are its own or lie between.
};

at::Tensor view(const std::shared_ptr<const MappedFile>& file, const Tensor& tensor) {
  if (tensor.elements == 0) return at::empty(tensor.shape, tensor.type);
  // A byte other than 0 and 1 is no valid bool.
  const bool truth = tensor.type == at::kBool;
  const at::Tensor strided = mapped_tensor(file, tensor.begin, std::span(&tensor.elements, 1),
                                           truth ? at::kByte : tensor.type)
                                 .as_strided(tensor.shape, tensor.strides);
  return truth ? strided.to(at::kBool) : strided;
}

// Makes tensors of the calls that would rebuild them.
class TensorReader {
 public:
  explicit TensorReader(const TorchPickle& pickle) : pickle_(pickle) {}

  // Whether `value` is a tensor.
  static bool is_tensor(const PickleValue& value) {
    return value.kind == Kind::kObject && value.callable->module == "torch._utils" &&
           value.callable->text.starts_with("_rebuild_");
  }

  // Reads the tensor `value` and adds it to entries() under `name`.
  void add(std::string name, const PickleValue& value) {
    if (name.size() > kMaxName) {
      fail(ErrorKind::kData, "{}: a tensor has a name of {} bytes, expected at most {}",
           pickle_.where, name.size(), kMaxName);
    }
    if (entries_.size() == kMaxEntries) {
      fail(ErrorKind::kData, "{}: there are more than {} tensors", pickle_.where, kMaxEntries);
    }
    name_ = name;
    Tensor tensor = read(value);
    TensorFile::Entry entry;
    entry.shape = tensor.shape;
    entry.dtype = safetensors_dtype(tensor.type);
    entry.release = [file = pickle_.file] { file->release_pages(); };
    entry.view = [file = pickle_.file, tensor = std::move(tensor)] { return view(file, tensor); };
    if (!entries_.emplace(std::move(name), std::move(entry)).second) error("appears twice");
  }

  Entries entries() && {
    if (entries_.empty()) fail(ErrorKind::kData, "{}: there is no tensor in it", pickle_.where);
    return std::move(entries_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void error(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::kData, "{}: tensor '{}' {}", pickle_.where, name_,
         fmt::format(format, std::forward<Args>(args)...));
  }

  const PickleValue& argument(const PickleValue& call, size_t index) const {
    const auto& arguments = call.arguments->items;
    if (index >= arguments.size()) error("is rebuilt from only {} arguments", arguments.size());
    return *arguments[index];
  }

  int64_t integer(const PickleValue& value, std::string_view what) const {
    if (value.kind != Kind::kInt || value.integer < 0) {
      error("has {} for {}, expected an integer from 0 to 2^63 - 1", describe(value), what);
    }
    return value.integer;
  }

  std::vector<int64_t> integers(const PickleValue& value, std::string_view what) const {
    if (value.kind != Kind::kTuple && value.kind != Kind::kList) {
      error("has {} for its {}s, expected a tuple", describe(value), what);
    }
    if (value.items.size() > kMaxRank) {
      error("has {} {}s, expected at most {}", value.items.size(), what, kMaxRank);
    }
    std::vector<int64_t> numbers;
    for (const PickleValue* item : value.items) numbers.push_back(integer(*item, what));
    return numbers;
  }

  static bool is_parameter(const PickleValue& value) {
    return is_tensor(value) && value.callable->text.starts_with("_rebuild_parameter");
  }

  // The call that rebuilds the tensor inside the one that makes it a parameter.
  const PickleValue& without_parameter(const PickleValue& value) const {
    if (!is_parameter(value)) return value;
    const PickleValue& data = argument(value, 0);
    if (!is_tensor(data) || is_parameter(data)) {
      error("is a parameter made of {}, expected a tensor", describe(data));
    }
    return data;
  }

  // The type of version 3's argument, as others take the storage's. Refuses what changes values.
  at::ScalarType type_of(const PickleValue& call, at::ScalarType of_storage) const {
    const bool third = call.callable->text == "_rebuild_tensor_v3";
    const size_t metadata = third ? 7 : 6;
    if (call.arguments->items.size() > metadata) {
      const PickleValue& value = argument(call, metadata);
      const bool empty =
          value.kind == Kind::kNone || (value.kind == Kind::kDict && value.items.empty());
      if (!empty) error("is a lazily negated or conjugated view; save a clone() of it");
    }
    if (!third) return of_storage;
    const PickleValue& dtype = argument(call, 6);
    const auto type =
        dtype.kind == Kind::kGlobal ? element_type(dtype.module, dtype.text) : std::nullopt;
    if (!type) error("has {} for its type", describe(dtype));
    return *type;
  }

  Tensor read(const PickleValue& value) const {
    const PickleValue& call = without_parameter(value);
    const PickleValue& id = argument(call, 0);
    if (id.kind != Kind::kPersistentId) error("views {}, expected a storage", describe(id));
    const TorchStorage storage = parse_storage(id, pickle_.where);
    const auto bytes = pickle_.storages.find(storage.key);
    if (bytes == pickle_.storages.end()) {
      error("views the storage '{}', which the file lacks; perhaps an incomplete download",
            printable(storage.key));
    }
    if (storage.size > bytes->second.size) {
      error("views a storage of {} bytes, but '{}' in the file has {}", storage.size,
            printable(storage.key), bytes->second.size);
    }
    Tensor tensor;
    tensor.type = type_of(call, storage.type);
    tensor.shape = integers(argument(call, 2), "size");
    tensor.strides = integers(argument(call, 3), "stride");
    place(tensor, integer(argument(call, 1), "its offset"), storage.size);
    tensor.begin += bytes->second.begin;
    return tensor;
  }

  // Checks that all elements from `offset` on lie in the storage of `size` bytes.
  void place(Tensor& tensor, int64_t offset, uint64_t size) const {
    const auto& [type, shape, strides, begin, elements] = tensor;
    if (shape.size() != strides.size()) {
      error("has {} sizes and {} strides", shape.size(), strides.size());
    }
    const uint64_t width = c10::elementSize(type);
    const std::optional<int64_t> count = checked_numel(shape);
    if (!count) error("has shape [{}], too large for 64 bits", fmt::join(shape, ", "));
    if (*count == 0) return;
    int64_t last = offset;
    bool overflow = false;
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t step = 0;
      overflow = overflow || __builtin_mul_overflow(shape[i] - 1, strides[i], &step) ||
                 __builtin_add_overflow(last, step, &last);
    }
    const uint64_t available = size / width;
    if (overflow || static_cast<uint64_t>(last) >= available) {
      error("of shape [{}], strides [{}] and offset {} reaches beyond its storage of {} elements",
            fmt::join(shape, ", "), fmt::join(strides, ", "), offset, available);
    }
    if (static_cast<uint64_t>(*count) > available) {
      error("of shape [{}] and strides [{}] repeats the {} elements of its storage",
            fmt::join(shape, ", "), fmt::join(strides, ", "), available);
    }
    tensor.begin = static_cast<uint64_t>(offset) * width;
    tensor.elements = last - offset + 1;
  }

  const TorchPickle& pickle_;
  std::string name_;
  Entries entries_;
};

// Looks for tensors within values. What was looked at is not looked at again.
class TensorSearch {
 public:
  bool holds_tensor(const PickleValue& value) {
    std::vector<const PickleValue*> open = {&value};
    while (!open.empty()) {
      const PickleValue* next = open.back();
      open.pop_back();
      if (next == nullptr || !seen_.insert(next).second) continue;
      if (TensorReader::is_tensor(*next)) return true;
      open.insert(open.end(), next->items.begin(), next->items.end());
      open.insert(open.end(), {next->arguments, next->state});
    }
    return false;
  }

 private:
  std::unordered_set<const PickleValue*> seen_;
};

// The keys and values of a dictionary, if `value` is one or as good as one.
std::optional<std::span<const PickleValue* const>> pairs_of(const PickleValue& value) {
  const bool ordered = value.kind == Kind::kObject && value.callable->module == "collections";
  if (value.kind != Kind::kDict && !ordered) return std::nullopt;
  return value.items;
}

std::string keys_text(std::span<const PickleValue* const> pairs) {
  constexpr size_t kShown = 20;
  std::vector<std::string> keys;
  for (size_t i = 0; i < pairs.size() && keys.size() < kShown; i += 2) {
    keys.push_back(pairs[i]->kind == Kind::kText ? fmt::format("'{}'", printable(pairs[i]->text))
                                                 : describe(*pairs[i]));
  }
  return keys.empty() ? "nothing" : fmt::format("{}", fmt::join(keys, ", "));
}

// The dictionary of tensors.
std::span<const PickleValue* const> find_state_dict(const TorchPickle& pickle) {
  const auto outermost = pairs_of(*pickle.root);
  if (!outermost) {
    fail(ErrorKind::kData, "{}: it holds {}, expected a dictionary of tensors", pickle.where,
         describe(*pickle.root));
  }
  for (const std::string_view name : {"state_dict", "model_state_dict", "model", "module"}) {
    for (size_t i = 0; i < outermost->size(); i += 2) {
      const PickleValue& key = *(*outermost)[i];
      const auto inner = pairs_of(*(*outermost)[i + 1]);
      if (key.kind == Kind::kText && key.text == name && inner) return *inner;
    }
  }
  for (size_t i = 1; i < outermost->size(); i += 2) {
    if (TensorReader::is_tensor(*(*outermost)[i])) return *outermost;
  }
  fail(ErrorKind::kData,
       "{}: no state dict was found: the outermost dictionary has no tensors and none of the keys "
       "state_dict, model_state_dict, model and module, but {}",
       pickle.where, keys_text(*outermost));
}

}  // namespace

bool is_inert_global(std::string_view module, std::string_view name) {
  if (module == "builtins" || module == "__builtin__") {
    return std::find(kInertBuiltins.begin(), kInertBuiltins.end(), name) != kInertBuiltins.end();
  }
  if (storage_type(module, name) || element_type(module, name)) return true;
  return std::any_of(kInertGlobals.begin(), kInertGlobals.end(), [&](std::string_view full) {
    return full.size() == module.size() + 1 + name.size() && full.starts_with(module) &&
           full[module.size()] == '.' && full.ends_with(name);
  });
}

bool is_inert_script_global(std::string_view module, std::string_view name) {
  return is_inert_global(module, name) || module == "__torch__" ||
         module.starts_with("__torch__.") || module == "torch.jit._pickle";
}

TorchStorage parse_storage(const PickleValue& persistent_id, const std::string& where) {
  const PickleValue& id = *persistent_id.items.at(0);
  const auto part = [&](size_t index, Kind kind) {
    return index < id.items.size() && id.items[index]->kind == kind ? id.items[index] : nullptr;
  };
  const PickleValue* tag = id.kind == Kind::kTuple ? part(0, Kind::kText) : nullptr;
  const PickleValue* type = part(1, Kind::kGlobal);
  const PickleValue* key = part(2, Kind::kText);
  const PickleValue* count = part(4, Kind::kInt);
  const bool whole = tag != nullptr && tag->text == "storage" && type != nullptr &&
                     key != nullptr && count != nullptr;
  const auto element = whole ? storage_type(type->module, type->text) : std::nullopt;
  if (!element) {
    fail(ErrorKind::kData,
         "{}: the pickle refers to {} outside it, expected a storage: ('storage', type, key, "
         "device, count)",
         where, describe(id));
  }
  uint64_t size = 0;
  if (count->integer < 0 || __builtin_mul_overflow(static_cast<uint64_t>(count->integer),
                                                   c10::elementSize(*element), &size)) {
    fail(ErrorKind::kData, "{}: the storage '{}' would have {} elements", where,
         printable(key->text), count->integer);
  }
  if (id.items.size() > 5 && id.items[5]->kind != Kind::kNone) {
    fail(ErrorKind::kData,
         "{}: the storage '{}' is a view of another, as torch before 1.0 saved them; load the file "
         "in torch and save it again",
         where, printable(key->text));
  }
  return {*element, key->text, size};
}

Entries state_dict_tensors(const TorchPickle& pickle) {
  const auto pairs = find_state_dict(pickle);
  TensorReader reader(pickle);
  TensorSearch search;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const PickleValue& key = *pairs[i];
    const PickleValue& value = *pairs[i + 1];
    if (TensorReader::is_tensor(value)) {
      if (key.kind != Kind::kText) {
        fail(ErrorKind::kData, "{}: a tensor of the state dict is named by {}, expected a string",
             pickle.where, describe(key));
      }
      reader.add(std::string(key.text), value);
    } else if (search.holds_tensor(value)) {
      fail(ErrorKind::kData,
           "{}: the state dict holds {} with tensors in it ({}), expected names with one each",
           pickle.where, describe(value), keys_text(pairs.subspan(i, 2)));
    }
  }
  return std::move(reader).entries();
}

Entries module_tensors(const TorchPickle& pickle) {
  const auto is_module = [](const PickleValue& value) {
    return value.kind == Kind::kObject && value.callable->module.starts_with("__torch__");
  };
  if (!is_module(*pickle.root)) {
    fail(ErrorKind::kData, "{}: it holds {}, expected a module of TorchScript", pickle.where,
         describe(*pickle.root));
  }
  TensorReader reader(pickle);
  std::vector<std::pair<std::string, const PickleValue*>> open = {{"", pickle.root}};
  size_t attributes = 0;
  while (!open.empty()) {
    const auto [prefix, module] = std::move(open.back());
    open.pop_back();
    const auto pairs = module->state == nullptr ? std::nullopt : pairs_of(*module->state);
    for (size_t i = 0; pairs && i < pairs->size(); i += 2) {
      const PickleValue& key = *(*pairs)[i];
      const PickleValue& value = *(*pairs)[i + 1];
      // Modules that share or hold one another have more paths than values.
      if (++attributes > kMaxEntries || prefix.size() + key.text.size() > kMaxName) {
        fail(ErrorKind::kData,
             "{}: the modules have more than {} attributes, or one of more than "
             "{} bytes in its path",
             pickle.where, kMaxEntries, kMaxName);
      }
      std::string name = prefix + std::string(key.text);
      if (TensorReader::is_tensor(value)) {
        reader.add(std::move(name), value);
      } else if (is_module(value)) {
        open.emplace_back(std::move(name) + ".", &value);
      }
    }
  }
  return std::move(reader).entries();
}

}  // namespace paraclip
