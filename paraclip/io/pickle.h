#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// One value of a pickle, as data. What a pickle would have Python import, call or build is
/// described, never done. Values refer to one another as the pickle shares them, so a value may
/// even hold itself: whoever walks them must bound the walk.
struct PickleValue {
  enum class Kind : uint8_t {
    kNone,
    kBool,          ///< `integer`, 0 or 1.
    kInt,           ///< `integer`.
    kBigInt,        ///< Beyond 64 bits: `text` holds its bytes, two's complement, little-endian.
    kFloat,         ///< `number`.
    kText,          ///< `text`, UTF-8.
    kBytes,         ///< `text`.
    kList,          ///< `items`.
    kTuple,         ///< `items`.
    kSet,           ///< `items`.
    kDict,          ///< `items`: key, value, key, value, ...
    kGlobal,        ///< The function or class `text` of `module`.
    kPersistentId,  ///< `items[0]`: what stands outside the pickle.
    kObject,        ///< What `callable` makes of `arguments`; `items` as of a kDict, and `state`.
  };

  Kind kind = Kind::kNone;
  int64_t integer = 0;
  double number = 0;
  std::string_view text;  // These two view the bytes that were parsed.
  std::string_view module;
  std::vector<const PickleValue*> items;
  const PickleValue* callable = nullptr;   ///< Of a kObject: always a kGlobal.
  const PickleValue* arguments = nullptr;  ///< Of a kObject: always a kTuple.
  const PickleValue* state = nullptr;      ///< Of a kObject: what BUILD set, if anything.

  /// Whether this is the function or class `name` of `module_name`.
  bool is_global(std::string_view module_name, std::string_view name) const {
    return kind == Kind::kGlobal && module == module_name && text == name;
  }
};

/// What `value` is, for messages: "a list", "a collections.OrderedDict object".
std::string describe(const PickleValue& value);

/// `text` of a foreign file as a message may show it: cut to a readable length, what is not
/// printable ASCII escaped.
std::string printable(std::string_view text);

/// Reads one Python pickle as data and runs nothing of it.
///
/// Knows what pickles of protocols 2 to 5 hold that torch.save writes (the format is described in
/// CPython's Lib/pickletools.py). Memory and time are bounded by the length of the input and by
/// limits on the number of instructions and values.
class Pickle {
 public:
  /// Whether a pickle may name the function or class `name` of `module`.
  using AllowGlobal = std::function<bool(std::string_view module, std::string_view name)>;

  /// Parses the pickle that begins at `begin` in `bytes`, which must outlive this object. `where`
  /// names the bytes in messages; places are counted from their start. Throws kData for what is
  /// malformed or truncated, beyond the limits, or names a global that `allow` refuses.
  Pickle(std::string_view bytes, size_t begin, const std::string& where, const AllowGlobal& allow);

  Pickle(Pickle&&) = default;
  Pickle& operator=(Pickle&&) = default;

  /// The value that the pickle stands for.
  const PickleValue& root() const { return *root_; }

  /// Every value of the pickle, whether the root reaches it or not.
  const std::deque<PickleValue>& values() const { return values_; }

  /// One past the last byte of the pickle, counted as the `begin` it was given.
  size_t end() const { return end_; }

 private:
  std::deque<PickleValue> values_;
  const PickleValue* root_ = nullptr;
  size_t end_ = 0;
};

}  // namespace paraclip
