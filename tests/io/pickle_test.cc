#include "paraclip/io/pickle.h"

#include "tests/io/files.h"
#include "tests/io/torch_files.h"

namespace paraclip {
namespace {

using namespace std::string_literals;
using Kind = PickleValue::Kind;
using test::expect_error;
using test::pickle;
using test::pickle_global;
using test::pickle_text;
using test::raw_bytes;

bool allow_all(std::string_view /*module*/, std::string_view /*name*/) { return true; }

bool allow_safe(std::string_view module, std::string_view /*name*/) { return module == "safe"; }

Pickle parse(std::string_view bytes) { return Pickle(bytes, /*begin=*/0, "p", allow_all); }

TEST(Pickle, ReadsPlainValues) {
  // pickle.dumps([None, True, False, 5, -5, 300, 70000, -2**40, 2**70, 1.5, "ä", b"\xff"], 4)
  const std::string bytes(
      "\x80\x04\x95\x3c\x00\x00\x00\x00\x00\x00\x00]\x94(N\x88\x89K\x05J\xfb\xff\xff\xffM,\x01Jp"
      "\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\xff\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@G?\xf8"
      "\x00\x00\x00\x00\x00\x00\x8c\x02\xc3\xa4\x94"
      "C\x01\xff\x94"
      "e.",
      71);
  const Pickle parsed = parse(bytes);
  EXPECT_EQ(parsed.end(), bytes.size());
  ASSERT_EQ(parsed.root().kind, Kind::kList);
  const auto& items = parsed.root().items;
  ASSERT_EQ(items.size(), 12U);
  EXPECT_EQ(items[0]->kind, Kind::kNone);
  EXPECT_EQ(items[1]->kind, Kind::kBool);
  EXPECT_EQ(items[1]->integer, 1);
  EXPECT_EQ(items[2]->integer, 0);
  const std::vector<int64_t> integers = {5, -5, 300, 70000, -(int64_t{1} << 40)};
  for (size_t i = 0; i < integers.size(); ++i) {
    EXPECT_EQ(items[3 + i]->kind, Kind::kInt);
    EXPECT_EQ(items[3 + i]->integer, integers[i]);
  }
  EXPECT_EQ(items[8]->kind, Kind::kBigInt);
  EXPECT_EQ(items[8]->text.size(), 9U);
  EXPECT_EQ(items[9]->kind, Kind::kFloat);
  EXPECT_EQ(items[9]->number, 1.5);
  EXPECT_EQ(items[10]->kind, Kind::kText);
  EXPECT_EQ(items[10]->text, "ä");
  EXPECT_EQ(items[11]->kind, Kind::kBytes);
  EXPECT_EQ(items[11]->text, "\xff");
}

TEST(Pickle, ReadsObjectsWithoutMakingThem) {
  const std::string bytes = pickle(pickle_global("safe", "Bag") + ")\x81}"s + pickle_text("a") +
                                   "K\x01sb"s + pickle_text("key") + "K\x02s");
  const Pickle parsed(bytes, /*begin=*/0, "p", allow_safe);
  const PickleValue& bag = parsed.root();
  EXPECT_EQ(bag.kind, Kind::kObject);
  EXPECT_TRUE(bag.callable->is_global("safe", "Bag"));
  EXPECT_TRUE(bag.arguments->items.empty());
  ASSERT_EQ(bag.state->items.size(), 2U);
  EXPECT_EQ(bag.state->items[1]->integer, 1);
  ASSERT_EQ(bag.items.size(), 2U);
  EXPECT_EQ(bag.items[1]->integer, 2);
  EXPECT_EQ(describe(bag), "a safe.Bag object");
}

TEST(Pickle, SharesWhatIsShared) {
  const std::string bytes = pickle(
      "]q\x01h\x01"
      "ah\x01"
      "a");  // A list of itself, twice.
  const Pickle parsed = parse(bytes);
  EXPECT_EQ(parsed.root().items, (std::vector<const PickleValue*>(2, &parsed.root())));
}

TEST(Pickle, DoesNotUnfoldWhatDoubles) {
  std::string value = ")";
  for (int level = 0; level < 10'000; ++level) value += "2\x86";  // (x, x)
  const std::string bytes = pickle(value);
  EXPECT_LT(parse(bytes).values().size(), 10'010U);
}

TEST(Pickle, BeginsAndEndsWithinOtherBytes) {
  const std::string bytes = "xyz" + pickle("K\x07") + "rest";
  const Pickle parsed(bytes, /*begin=*/3, "p", allow_all);
  EXPECT_EQ(parsed.root().integer, 7);
  EXPECT_EQ(parsed.end(), bytes.size() - 4);
}

// Each names a function in one of the ways that pickles know.
TEST(Pickle, RefusesGlobalsHoweverTheyAreNamed) {
  const std::string global = pickle_global("posix", "system");
  const std::string stacked = "\x8c\x05posix\x8c\x06system\x93";
  const std::string parts =
      "\x8c\x05posixq\x01"
      "0\x8c\x06systemq\x02"
      "0h\x01h\x02\x93";
  const std::string command = pickle_text("touch /tmp/owned");
  const std::vector<std::string> values = {
      global,
      global + "("s + command + "tR",
      stacked + "("s + command + "tR",
      parts + command + "\x85R",
      "]"s + global + "a0K\x01",            // Dropped again.
      "("s + command + "iposix\nsystem\n",  // INST
      "("s + global + command + "o",        // OBJ
      global + ")}\x92",                    // NEWOBJ_EX
      pickle_global("safe", "Bag") + ")\x81"s + global + "b",
  };
  for (const std::string& value : values) {
    expect_error(ErrorKind::kData,
                 {"p: at byte ", "calls posix.system", "nothing of the file was run"},
                 [&] { Pickle(pickle(value), /*begin=*/0, "p", allow_safe); });
  }
  expect_error(ErrorKind::kData, {R"(calls os\x1b[2J.)" + std::string(100, 'x') + "..."}, [&] {
    Pickle(pickle(pickle_global("os\x1b[2J", std::string(10'000, 'x'))), /*begin=*/0, "p",
           allow_safe);
  });
}

struct Malformed {
  const char* name;
  std::string bytes;
  std::string message;
};

void PrintTo(const Malformed& value, std::ostream* out) { *out << value.name; }

std::vector<Malformed> malformed() {
  const std::string bag = pickle_global("safe", "Bag");
  return {
      {"Empty", "", "byte 0 it has 1 bytes to read, but the data ends after 0"},
      {"NoStop", "\x80\x02K\x01", "byte 4 it has 1 bytes to read"},
      {"NothingOnTheStack", "\x80\x02.", "operands nothing was read"},
      {"Protocol", "\x80\x06N.", "protocol 6"},
      {"CutInt", "\x80\x02J\x01\x02", "byte 2 it has 4 bytes to read, but the data ends after 2"},
      {"CutText", pickle("X\xff\xff\xff\xff..."), "4294967295 bytes to read"},
      {"CutText8", pickle("\x8d"s + raw_bytes(UINT64_MAX)), "18446744073709551615 bytes to read"},
      {"CutLong", pickle("\x8b"s + raw_bytes(UINT32_MAX)), "4294967295 bytes to read"},
      {"CutGlobal",
       "\x80\x02"
       "cposix",
       "a name without an end"},
      {"ItemsForANumber",
       pickle("K\x01(K\x02"
              "e"),
       "items for an integer"},
      {"KeyWithoutValue", pickle("}(K\x01u"), "a key without a value"},
      {"NoMark", pickle("K\x01t"), "a group that has no beginning"},
      {"BelowTheMark", pickle("K\x01(\x85"), "operands nothing was read"},
      {"MemoNotSet", pickle("h\x01"), "memo number 1, which was not set"},
      {"MemoBomb", pickle("]r"s + raw_bytes(uint32_t{1} << 31)), "the memo number 2147483648"},
      {"MemoRecallBomb", pickle("j"s + raw_bytes(UINT32_MAX)), "memo number 4294967295"},
      {"CallOfText", pickle(pickle_text("eval") + ")R"), "a call of a string"},
      {"CallWithoutTuple", pickle(bag + "]R"), "a call with a list"},
      {"BuildOnAList", pickle("]}b"), "a state for a list"},
      {"BuildOnAGlobal", pickle(bag + "}b"), "a state for safe.Bag"},
      {"StackGlobalOfNumbers", pickle("K\x01K\x02\x93"), "an integer and an integer for the names"},
      {"Ext1", pickle("\x82\x01"), "instruction 0x82"},
      {"Ext2", pickle("\x83\x01\x01"), "instruction 0x83"},
      {"Ext4", pickle("\x84\x01\x01\x01\x01"), "instruction 0x84"},
      {"Inst", pickle("(isafe\nBag\n"), "instruction 0x69 ('i')"},
      {"Obj", pickle("("s + bag + "o"), "instruction 0x6f ('o')"},
      {"NewobjEx", pickle(bag + ")}\x92"), "instruction 0x92"},
      {"TextPersistentId", pickle("P1\n"), "instruction 0x50 ('P')"},
      {"OutOfBand", pickle("\x97"), "instruction 0x97"},
      {"Values", pickle("("s + std::string(1'000'000, ']') + "l"), "more than 300000 values"},
      {"Instructions", pickle("N("s + std::string(3'000'000, 'N') + "l"),
       "more than 2000000 instructions"},
  };
}

class MalformedPickle : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedPickle, IsRefused) {
  expect_error(ErrorKind::kData, {"p: ", GetParam().message},
               [&] { Pickle(GetParam().bytes, /*begin=*/0, "p", allow_safe); });
}

INSTANTIATE_TEST_SUITE_P(, MalformedPickle, testing::ValuesIn(malformed()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace paraclip
