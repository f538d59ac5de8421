#include "paraclip/io/pickle.h"

#include "paraclip/base/error.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace paraclip {
namespace {

using Kind = PickleValue::Kind;

// The pickle of a checkpoint with optimizer state takes some 35 instructions and 15 values a
// tensor. These bound what a hostile one costs to some 100 MB.
constexpr size_t kMaxInstructions = 2'000'000;
constexpr size_t kMaxValues = 300'000;
constexpr size_t kMaxPrintable = 100;

class Reader {
 public:
  Reader(std::string_view bytes, size_t begin, const std::string& where,
         const Pickle::AllowGlobal& allow, std::deque<PickleValue>& values)
      : bytes_(bytes), place_(begin), where_(where), allow_(allow), values_(values) {
    none_ = make(Kind::kNone);
    false_ = make(Kind::kBool);
    true_ = make(Kind::kBool);
    true_->integer = 1;
  }

  // Executes up to the STOP. Returns the value on top of the stack.
  const PickleValue* read() {
    for (;; ++count_) {
      instruction_ = place_;
      if (count_ == kMaxInstructions) {
        error("more than {} instructions, which no file of tensors needs", kMaxInstructions);
      }
      const auto code = static_cast<uint8_t>(take(1)[0]);
      if (code == '.') return pop();
      if (!constant(code) && !container(code) && !memory(code) && !object(code)) {
        error("the instruction 0x{:02x} ('{}'), which torch.save does not write; {}", code,
              printable(bytes_.substr(instruction_, 1)), kRunNothing);
      }
    }
  }

  size_t place() const { return place_; }

 private:
  static constexpr std::string_view kRunNothing = "nothing of the file was run";

  template <typename... Args>
  [[noreturn]] void error(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::kData, "{}: the pickle is malformed or not of torch.save: at byte {} it has {}",
         where_, instruction_, fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - place_) {
      error("{} bytes to read, but the data ends after {}", size, bytes_.size() - place_);
    }
    const std::string_view taken = bytes_.substr(place_, size);
    place_ += size;
    return taken;
  }

  // A little-endian number of T's size.
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view line() {
    const size_t end = bytes_.find('\n', place_);
    if (end == std::string_view::npos) error("a name without an end");
    const std::string_view text = take(end - place_);
    ++place_;
    return text;
  }

  PickleValue* make(Kind kind) {
    if (values_.size() == kMaxValues) {
      error("more than {} values, which no file of tensors needs", kMaxValues);
    }
    values_.emplace_back().kind = kind;
    return &values_.back();
  }

  bool push(PickleValue* value) {
    stack_.push_back(value);
    return true;
  }

  bool push_int(int64_t integer) {
    PickleValue* value = make(Kind::kInt);
    value->integer = integer;
    return push(value);
  }

  bool push_text(Kind kind, std::string_view text) {
    PickleValue* value = make(kind);
    value->text = text;
    return push(value);
  }

  // A two's complement number of any length.
  bool push_long(std::string_view digits) {
    if (digits.size() > sizeof(int64_t)) return push_text(Kind::kBigInt, digits);
    uint64_t value = !digits.empty() && (digits.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    std::memcpy(&value, digits.data(), digits.size());
    return push_int(static_cast<int64_t>(value));
  }

  bool push_float() {
    PickleValue* value = make(Kind::kFloat);
    value->number = std::bit_cast<double>(__builtin_bswap64(number<uint64_t>()));
    return push(value);
  }

  // What lies on the stack above the last mark is taken; nothing else reaches below it.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleValue* pop() {
    if (stack_.size() == floor()) error("an instruction for whose operands nothing was read");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }

  PickleValue* top() {
    PickleValue* value = pop();
    stack_.push_back(value);
    return value;
  }

  std::vector<const PickleValue*> pop_to_mark() {
    if (marks_.empty()) error("the end of a group that has no beginning");
    const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
    std::vector<const PickleValue*> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  std::vector<const PickleValue*> pop_count(size_t count) {
    std::vector<const PickleValue*> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  bool push_items(Kind kind, std::vector<const PickleValue*> items) {
    PickleValue* value = make(kind);
    value->items = std::move(items);
    return push(value);
  }

  // Appends to the container on top of the stack, if it is of `kind`, or an object that may.
  bool extend(Kind kind, const std::vector<const PickleValue*>& items) {
    PickleValue* value = top();
    const bool object_as_dict = kind == Kind::kDict && value->kind == Kind::kObject;
    if (value->kind != kind && !object_as_dict) error("items for {}", describe(*value));
    if (kind == Kind::kDict && items.size() % 2 != 0) error("a key without a value");
    value->items.insert(value->items.end(), items.begin(), items.end());
    return true;
  }

  bool push_global(std::string_view module, std::string_view name) {
    if (!allow_(module, name)) {
      fail(ErrorKind::kData,
           "{}: at byte {} the pickle calls {}.{}, expected tensors and plain data only; {}; get "
           "the weights as safetensors or as a plain state dict (torch.save(model.state_dict(), "
           "...)) from a source that you trust",
           where_, instruction_, printable(module), printable(name), kRunNothing);
    }
    PickleValue* value = make(Kind::kGlobal);
    value->module = module;
    value->text = name;
    return push(value);
  }

  bool push_global_of_stack() {
    const PickleValue* name = pop();
    const PickleValue* module = pop();
    if (name->kind != Kind::kText || module->kind != Kind::kText) {
      error("{} and {} for the names of a function", describe(*module), describe(*name));
    }
    return push_global(module->text, name->text);
  }

  bool push_object() {
    const PickleValue* arguments = pop();
    const PickleValue* callable = pop();
    if (callable->kind != Kind::kGlobal) error("a call of {}", describe(*callable));
    if (arguments->kind != Kind::kTuple) error("a call with {}", describe(*arguments));
    PickleValue* value = make(Kind::kObject);
    value->callable = callable;
    value->arguments = arguments;
    return push(value);
  }

  bool build() {
    const PickleValue* state = pop();
    PickleValue* value = top();
    if (value->kind != Kind::kObject) error("a state for {}", describe(*value));
    value->state = state;
    return true;
  }

  // Picklers count from 0 or 1, so a number beyond the instructions so far is none of theirs.
  bool remember(uint64_t index) {
    if (index > count_) error("the memo number {}", index);
    if (index >= memo_.size()) memo_.resize(index + 1);
    memo_[index] = top();
    return true;
  }

  bool recall(uint64_t index) {
    if (index >= memo_.size() || memo_[index] == nullptr) {
      error("the memo number {}, which was not set", index);
    }
    return push(memo_[index]);
  }

  bool constant(uint8_t code) {
    switch (code) {
      case 'N': return push(none_);
      case 0x88: return push(true_);
      case 0x89: return push(false_);
      case 'J': return push_int(number<int32_t>());
      case 'K': return push_int(number<uint8_t>());
      case 'M': return push_int(number<uint16_t>());
      case 0x8a: return push_long(take(number<uint8_t>()));
      case 0x8b: return push_long(take(number<uint32_t>()));
      case 'G': return push_float();
      case 'U': return push_text(Kind::kText, take(number<uint8_t>()));
      case 'T': return push_text(Kind::kText, take(number<uint32_t>()));
      case 'X': return push_text(Kind::kText, take(number<uint32_t>()));
      case 0x8c: return push_text(Kind::kText, take(number<uint8_t>()));
      case 0x8d: return push_text(Kind::kText, take(number<uint64_t>()));
      case 'C': return push_text(Kind::kBytes, take(number<uint8_t>()));
      case 'B': return push_text(Kind::kBytes, take(number<uint32_t>()));
      case 0x8e: return push_text(Kind::kBytes, take(number<uint64_t>()));
      case 0x96: return push_text(Kind::kBytes, take(number<uint64_t>()));
      default: return false;
    }
  }

  bool container(uint8_t code) {
    switch (code) {
      case ']': return push_items(Kind::kList, {});
      case ')': return push_items(Kind::kTuple, {});
      case '}': return push_items(Kind::kDict, {});
      case 0x8f: return push_items(Kind::kSet, {});
      case 'a': return extend(Kind::kList, pop_count(1));
      case 'e': return extend(Kind::kList, pop_to_mark());
      case 's': return extend(Kind::kDict, pop_count(2));
      case 'u': return extend(Kind::kDict, pop_to_mark());
      case 0x90: return extend(Kind::kSet, pop_to_mark());
      case 0x91: return push_items(Kind::kSet, pop_to_mark());
      case 't': return push_items(Kind::kTuple, pop_to_mark());
      case 0x85: return push_items(Kind::kTuple, pop_count(1));
      case 0x86: return push_items(Kind::kTuple, pop_count(2));
      case 0x87: return push_items(Kind::kTuple, pop_count(3));
      default: return false;
    }
  }

  // The stack, the memo and what frames them.
  bool memory(uint8_t code) {
    switch (code) {
      case 0x80: {  // PROTO
        const auto protocol = number<uint8_t>();
        if (protocol > 5) error("the protocol {}, expected at most 5", protocol);
        return true;
      }
      case 0x95:  // FRAME: only says how much a reader may buffer.
        number<uint64_t>();
        return true;
      case '(': marks_.push_back(stack_.size()); return true;
      case '0': pop(); return true;
      case '1': pop_to_mark(); return true;
      case '2': return push(top());
      case 'q': return remember(number<uint8_t>());
      case 'r': return remember(number<uint32_t>());
      case 0x94: return remember(memo_.size());
      case 'h': return recall(number<uint8_t>());
      case 'j': return recall(number<uint32_t>());
      default: return false;
    }
  }

  bool object(uint8_t code) {
    switch (code) {
      case 'c':    // GLOBAL
      case 'i': {  // INST, which is refused after its name.
        const std::string_view module = line();
        const std::string_view name = line();
        return push_global(module, name) && code == 'c';
      }
      case 0x93: return push_global_of_stack();
      case 'R': return push_object();
      case 0x81: return push_object();  // NEWOBJ
      case 'b': return build();
      case 'Q': return push_items(Kind::kPersistentId, pop_count(1));
      default: return false;
    }
  }

  std::string_view bytes_;
  size_t place_;            // Of the next byte.
  size_t instruction_ = 0;  // Of the first byte of the one at hand.
  size_t count_ = 0;        // Of instructions before it.
  const std::string& where_;
  const Pickle::AllowGlobal& allow_;
  std::deque<PickleValue>& values_;
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;  // Heights of the stack.
  std::vector<PickleValue*> memo_;
  PickleValue* none_ = nullptr;
  PickleValue* false_ = nullptr;
  PickleValue* true_ = nullptr;
};

}  // namespace

std::string describe(const PickleValue& value) {
  switch (value.kind) {
    case Kind::kNone: return "None";
    case Kind::kBool: return "a truth value";
    case Kind::kInt:
    case Kind::kBigInt: return "an integer";
    case Kind::kFloat: return "a number";
    case Kind::kText: return "a string";
    case Kind::kBytes: return "bytes";
    case Kind::kList: return "a list";
    case Kind::kTuple: return "a tuple";
    case Kind::kSet: return "a set";
    case Kind::kDict: return "a dictionary";
    case Kind::kGlobal: return fmt::format("{}.{}", printable(value.module), printable(value.text));
    case Kind::kPersistentId: return "a storage";
    case Kind::kObject: return fmt::format("a {} object", describe(*value.callable));
  }
  return "an unknown value";
}

std::string printable(std::string_view text) {
  std::string shown;
  for (const char byte : text.substr(0, kMaxPrintable)) {
    if (byte >= ' ' && byte <= '~') {
      shown += byte;
    } else {
      shown += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
    }
  }
  return text.size() > kMaxPrintable ? shown + "..." : shown;
}

Pickle::Pickle(std::string_view bytes, size_t begin, const std::string& where,
               const AllowGlobal& allow) {
  Reader reader(bytes, begin, where, allow, values_);
  root_ = reader.read();
  end_ = reader.place();
}

}  // namespace paraclip
