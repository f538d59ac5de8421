#include "paraclip/base/json.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"

#include <functional>
#include <unordered_set>
#include <vector>

namespace paraclip {
namespace {

// Deeper values would exhaust the stack of code that walks them.
constexpr int kMaxDepth = 100;

// nlohmann's callback sees every key: enough to reject a repeated one, which it would otherwise
// resolve silently.
class Strictness {
 public:
  explicit Strictness(std::string_view where) : where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kMaxDepth) {
      fail(ErrorKind::kData, "{}: the JSON is nested deeper than {} levels", where_, kMaxDepth);
    }
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second) {
      fail(ErrorKind::kData, "{}: the key \"{}\" appears twice in one object", where_,
           parsed.get<std::string>());
    }
    return true;
  }

 private:
  std::string_view where_;
  std::vector<std::unordered_set<std::string>> keys_;
};

const Json& member(const Json& object, std::string_view key, std::string_view where) {
  if (!object.is_object()) {
    fail(ErrorKind::kData, "{}: expected a JSON object, found {}", where, object.type_name());
  }
  const auto found = object.find(std::string(key));
  if (found == object.end()) fail(ErrorKind::kData, "{}: the key \"{}\" is missing", where, key);
  return *found;
}

bool absent(const Json& object, std::string_view key) {
  if (!object.is_object()) return false;
  const auto found = object.find(std::string(key));
  return found == object.end() || found->is_null();
}

[[noreturn]] void wrong_type(std::string_view key, std::string_view expected, const Json& value,
                             std::string_view where) {
  fail(ErrorKind::kData, "{}: \"{}\" is {}, expected {}", where, key,
       dump_json(value).substr(0, 60), expected);
}

}  // namespace

Json parse_json(std::string_view text, std::string_view where) {
  try {
    Strictness strictness(where);
    return Json::parse(text, std::ref(strictness));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData, "{}: not valid JSON: {}", where, json_error_text(error));
  }
}

std::string json_error_text(const std::exception& error) {
  constexpr size_t kMaxText = 300;  // It quotes what was read last, which may be the whole input.
  const std::string_view text = error.what();
  const size_t start = text.find("] ");
  return std::string(text.substr(start == std::string_view::npos ? 0 : start + 2, kMaxText));
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(MappedFile::open(path)->text(), path.string());
}

std::string json_string(const Json& object, std::string_view key, std::string_view where) {
  const Json& value = member(object, key, where);
  if (!value.is_string()) wrong_type(key, "a string", value, where);
  return value.get<std::string>();
}

int64_t json_integer(const Json& object, std::string_view key, std::string_view where) {
  const Json& value = member(object, key, where);
  const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() <= uint64_t{INT64_MAX};
  if (!value.is_number_integer() || !fits) wrong_type(key, "a 64-bit integer", value, where);
  return value.get<int64_t>();
}

double json_number(const Json& object, std::string_view key, std::string_view where) {
  const Json& value = member(object, key, where);
  if (!value.is_number()) wrong_type(key, "a number", value, where);
  return value.get<double>();
}

std::string json_string_or(const Json& object, std::string_view key, std::string fallback,
                           std::string_view where) {
  return absent(object, key) ? std::move(fallback) : json_string(object, key, where);
}

int64_t json_integer_or(const Json& object, std::string_view key, int64_t fallback,
                        std::string_view where) {
  return absent(object, key) ? fallback : json_integer(object, key, where);
}

double json_number_or(const Json& object, std::string_view key, double fallback,
                      std::string_view where) {
  return absent(object, key) ? fallback : json_number(object, key, where);
}

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace paraclip
