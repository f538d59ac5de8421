#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace paraclip {

using Json = nlohmann::ordered_json;

/// Parses `text`; `where` names its source in messages ("captions.jsonl, line 3"). A key that
/// appears twice in one object, which parsers resolve differently, and values nested deeper than
/// 100 levels are errors. Throws kData.
Json parse_json(std::string_view text, std::string_view where);

/// What nlohmann's parser says of a mistake, without the number it gives it and cut to a readable
/// length.
std::string json_error_text(const std::exception& error);

/// Reads and parses the file `path`. Throws kIo, kData.
Json read_json(const std::filesystem::path& path);

/// The member `key` of `object`, checked to be a string, an integer, a number. Throws kData, naming
/// `where`, the key, what was found and what was expected.
std::string json_string(const Json& object, std::string_view key, std::string_view where);
int64_t json_integer(const Json& object, std::string_view key, std::string_view where);
double json_number(const Json& object, std::string_view key, std::string_view where);

/// As above, and the fallback where the key is missing or null.
std::string json_string_or(const Json& object, std::string_view key, std::string fallback,
                           std::string_view where);
int64_t json_integer_or(const Json& object, std::string_view key, int64_t fallback,
                        std::string_view where);
double json_number_or(const Json& object, std::string_view key, double fallback,
                      std::string_view where);

/// One line of JSON. Bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const Json& value, int indent = -1);

}  // namespace paraclip
