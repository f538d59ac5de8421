#include "paraclip/base/json.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"

#include <set>
#include <vector>

namespace paraclip {
namespace {

// nlohmann's callback sees every key: enough to reject a repeated one, which it would otherwise
// resolve silently.
class DuplicateKeys {
 public:
  bool operator()(int /*depth*/, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second &&
        duplicate_.empty()) {
      duplicate_ = parsed.get<std::string>();
    }
    return true;
  }

  const std::string& duplicate() const { return duplicate_; }

 private:
  std::vector<std::set<std::string>> keys_;
  std::string duplicate_;
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
  DuplicateKeys duplicates;
  Json value;
  try {
    value = Json::parse(text, std::ref(duplicates));
  } catch (const nlohmann::json::exception& error) {
    const std::string message = error.what();
    const size_t start = message.find("] ");
    fail(ErrorKind::kData, "{}: not valid JSON: {}", where,
         start == std::string::npos ? message : message.substr(start + 2));
  }
  if (!duplicates.duplicate().empty()) {
    fail(ErrorKind::kData, "{}: the key \"{}\" appears twice in one object", where,
         duplicates.duplicate());
  }
  return value;
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
  if (!value.is_number_integer()) wrong_type(key, "an integer", value, where);
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
