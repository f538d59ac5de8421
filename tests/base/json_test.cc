#include "paraclip/base/json.h"

#include "tests/base/expect_error.h"
#include "tests/support.h"

#include <fstream>

namespace paraclip {
namespace {

using test::expect_error;

TEST(ParseJson, KeepsTheOrderOfKeys) {
  EXPECT_EQ(dump_json(parse_json(R"({"b": 1, "a": [true, null, "x"]})", "here")),
            R"({"b":1,"a":[true,null,"x"]})");
}

TEST(ParseJson, RefusesARepeatedKeyAtAnyDepth) {
  for (const char* text : {R"({"k": 1, "k": 1})", R"([{"a": {"k": 1, "b": {}, "k": 2}}])",
                           R"({"k": {"k": 1}, "\u006b": 2})"}) {
    expect_error(ErrorKind::kData, {"x.json: ", "\"k\" appears twice"},
                 [&] { parse_json(text, "x.json"); });
  }
  EXPECT_NO_THROW(parse_json(R"([{"k": {"k": [{"k": 1}, {"k": 2}]}}, {"k": 3}])", "x.json"));
}

TEST(ParseJson, RefusesDeepNesting) {
  const std::string ok = std::string(100, '[') + std::string(100, ']');
  EXPECT_NO_THROW(parse_json(ok, "x"));
  const std::string deep = std::string(1000000, '[');
  expect_error(ErrorKind::kData, {"nested deeper than 100"}, [&] { parse_json(deep, "x"); });
  std::string objects;
  for (int level = 0; level < 200; ++level) objects += "{\"k\":";
  expect_error(ErrorKind::kData, {"nested deeper than 100"}, [&] { parse_json(objects, "x"); });
}

TEST(ParseJson, NamesThePlaceOfAMistake) {
  for (const char* text : {"", "{", "{\"a\": 1} x", "{'a': 1}", "\"\xff\"", "[1e999]", "nan"}) {
    expect_error(ErrorKind::kData, {"captions.jsonl, line 3: not valid JSON: "},
                 [&] { parse_json(text, "captions.jsonl, line 3"); });
  }
}

TEST(ParseJson, KeepsItsMessageShort) {
  try {
    parse_json("{\"" + std::string(100000, 'x'), "x.json");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_LT(message.size(), 400U);
    EXPECT_TRUE(message.starts_with("x.json: not valid JSON: parse error at line 1")) << message;
  }
}

TEST(ReadJson, NamesTheFile) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "bad.json") << "{";
  expect_error(ErrorKind::kData, {(folder / "bad.json").string(), "not valid JSON"},
               [&] { read_json(folder / "bad.json"); });
  expect_error(ErrorKind::kIo, {(folder / "none.json").string()},
               [&] { read_json(folder / "none.json"); });
}

TEST(JsonMember, ChecksTheType) {
  const Json object = parse_json(R"({"s": "text", "i": -3, "n": 2.5, "z": null})", "x");
  EXPECT_EQ(json_string(object, "s", "x"), "text");
  EXPECT_EQ(json_integer(object, "i", "x"), -3);
  EXPECT_EQ(json_number(object, "n", "x"), 2.5);
  EXPECT_EQ(json_number(object, "i", "x"), -3);
  expect_error(ErrorKind::kData, {"x: ", "\"s\" is \"text\"", "integer"},
               [&] { json_integer(object, "s", "x"); });
  expect_error(ErrorKind::kData, {"\"n\" is 2.5", "integer"},
               [&] { json_integer(object, "n", "x"); });
  expect_error(ErrorKind::kData, {"\"i\" is -3", "a string"},
               [&] { json_string(object, "i", "x"); });
  expect_error(ErrorKind::kData, {"\"z\" is null", "a number"},
               [&] { json_number(object, "z", "x"); });
  expect_error(ErrorKind::kData, {"x: the key \"none\" is missing"},
               [&] { json_number(object, "none", "x"); });
  expect_error(ErrorKind::kData, {"expected a JSON object, found array"},
               [] { json_string(Json::array(), "s", "x"); });
}

TEST(JsonMember, RefusesAnIntegerBeyond63Bits) {
  const Json object = parse_json(R"({"ok": 9223372036854775807, "big": 9223372036854775808})", "x");
  EXPECT_EQ(json_integer(object, "ok", "x"), INT64_MAX);
  expect_error(ErrorKind::kData, {"\"big\" is 9223372036854775808"},
               [&] { json_integer(object, "big", "x"); });
}

TEST(JsonMember, FallsBackWhereItIsMissingOrNull) {
  const Json object = parse_json(R"({"z": null, "s": "text", "i": 1})", "x");
  EXPECT_EQ(json_string_or(object, "z", "other", "x"), "other");
  EXPECT_EQ(json_integer_or(object, "none", 7, "x"), 7);
  EXPECT_EQ(json_number_or(object, "i", 0.5, "x"), 1);
  expect_error(ErrorKind::kData, {"\"s\" is \"text\""},
               [&] { json_integer_or(object, "s", 7, "x"); });
  expect_error(ErrorKind::kData, {"expected a JSON object"},
               [] { json_integer_or(Json(3), "s", 7, "x"); });
}

TEST(DumpJson, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(dump_json(Json("a\xff z")), "\"a\xEF\xBF\xBD z\"");
  EXPECT_EQ(dump_json(Json("é")), "\"é\"");
}

}  // namespace
}  // namespace paraclip
