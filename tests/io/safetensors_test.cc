#include "paraclip/io/safetensors.h"

#include "tests/io/files.h"

#include <cstring>
#include <memory>

namespace paraclip {
namespace {

using test::counting;
using test::expect_error;
using test::expect_same;
using test::put;
using test::TemporaryFolder;

std::string size_prefix(uint64_t size) {
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes;
}

std::string raw(std::string_view header, std::string_view data = "") {
  return size_prefix(header.size()).append(header).append(data);
}

std::string zeros(size_t size) { return std::string(size, '\0'); }

TEST(Safetensors, ReadsTheReferenceWriter) {
  const auto file = SafetensorsFile::open(test::io_golden("types.safetensors"));
  EXPECT_EQ(file.names(),
            (std::vector<std::string>{"bool", "f16", "f32", "f64", "i64", "none", "u16"}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "np"}, {"note", "ä"}}));
  expect_same(file.tensor("f64"), counting({2, 2}, at::kDouble));
  expect_same(file.tensor("f32"), counting({2, 3}, at::kFloat));
  expect_same(file.tensor("f16"), counting({5}, at::kHalf));
  expect_same(file.tensor("i64"), at::scalar_tensor(-7, at::kLong));
  expect_same(file.tensor("none"), at::empty({0, 4}, at::kFloat));
  expect_same(file.tensor("bool"), at::tensor({1, 0, 1}).to(at::kBool));
  expect_same(file.tensor("u16").to(at::kLong), at::tensor({1, 65535}, at::kLong));
  EXPECT_EQ(file.dtype("u16"), "U16");
  EXPECT_EQ(file.shape("f32"), (std::vector<int64_t>{2, 3}));
  EXPECT_TRUE(file.shape("i64").empty());
}

TEST(Safetensors, NamesATensorThatIsNotThere) {
  const auto file = SafetensorsFile::open(test::io_golden("types.safetensors"));
  EXPECT_TRUE(file.contains("f16"));
  EXPECT_FALSE(file.contains("f17"));
  expect_error(ErrorKind::kData, {"types.safetensors", "no tensor 'f17'"},
               [&] { file.tensor("f17"); });
  expect_error(ErrorKind::kData, {"no tensor 'f17'"}, [&] { file.shape("f17"); });
  expect_error(ErrorKind::kData, {"no tensor 'f17'"}, [&] { file.dtype("f17"); });
}

TEST(Safetensors, WritesEveryTypeBack) {
  const TemporaryFolder folder;
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const at::ScalarType type :
       {at::kBool, at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kBFloat16,
        at::kFloat, at::kDouble, at::kComplexFloat, at::kUInt16, at::kUInt32, at::kUInt64,
        at::kFloat8_e4m3fn, at::kFloat8_e5m2, at::kFloat8_e4m3fnuz, at::kFloat8_e5m2fnuz}) {
    tensors.emplace_back(c10::toString(type), at::arange(6).remainder(2).to(type).view({2, 3}));
  }
  tensors.emplace_back("scalar \"\u00e4\"\n", at::scalar_tensor(2.5));
  tensors.emplace_back("empty", at::empty({3, 0}));
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"a \"b\"", "ä"}};
  write_safetensors(folder / "a", tensors, metadata);
  const auto file = SafetensorsFile::open(folder / "a");
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(file.names().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor read = file.tensor(name);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(read.sizes(), tensor.sizes()) << name;
    EXPECT_EQ(std::memcmp(read.data_ptr(), tensor.data_ptr(), tensor.nbytes()), 0) << name;
  }
}

TEST(Safetensors, WritesInTheOrderAndPaddingOfTheReference) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a",
                    {{"z", at::ones({1}, at::kFloat)},
                     {"a", at::ones({3}, at::kByte)},
                     {"m", at::ones({1}, at::kFloat)},
                     {"y", at::ones({1}, at::kLong)}},
                    {});
  const std::string text = read_file(folder / "a");
  const std::string header = R"({"y":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                             R"("m":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
                             R"("z":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
                             R"("a":{"dtype":"U8","shape":[3],"data_offsets":[16,19]}})";
  uint64_t size = 0;
  std::memcpy(&size, text.data(), sizeof size);
  EXPECT_EQ(size % 8, 0U);
  EXPECT_LT(size - header.size(), 8U);
  EXPECT_EQ(text.substr(8, size), header + std::string(size - header.size(), ' '));
  EXPECT_EQ(text.size(), 8 + size + 19);
}

TEST(Safetensors, WritesStridedTensors) {
  const TemporaryFolder folder;
  const at::Tensor matrix = counting({3, 4}, at::kFloat);
  write_safetensors(folder / "a", {{"t", matrix.t()}, {"row", matrix.select(1, 2)}}, {});
  const auto file = SafetensorsFile::open(folder / "a");
  expect_same(file.tensor("t"), matrix.t());
  expect_same(file.tensor("row"), matrix.select(1, 2));
}

TEST(Safetensors, WritesWithoutTensors) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {}, {});
  EXPECT_TRUE(SafetensorsFile::open(folder / "a").names().empty());
}

TEST(Safetensors, ReplacesAFileThatIsMapped) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", counting({1000}, at::kFloat)}}, {});
  const at::Tensor before = SafetensorsFile::open(folder / "a").tensor("x");
  write_safetensors(folder / "a", {{"x", before}, {"y", before + 1}}, {});
  const at::Tensor after = SafetensorsFile::open(folder / "a").tensor("x");
  std::filesystem::remove(folder / "a");
  expect_same(before, counting({1000}, at::kFloat));
  expect_same(after, before);
}

TEST(Safetensors, RefusesToWriteWhatTheFormatLacks) {
  const TemporaryFolder folder;
  const at::Tensor one = at::ones({1});
  expect_error(ErrorKind::kUsage, {(folder / "a").string(), "'x'", "ComplexDouble"}, [&] {
    write_safetensors(folder / "a", {{"x", one.to(at::kComplexDouble)}}, {});
  });
  expect_error(ErrorKind::kUsage, {"the name 'x' is taken"}, [&] {
    write_safetensors(folder / "a", {{"x", one}, {"x", one}}, {});
  });
  expect_error(ErrorKind::kUsage, {"the name '__metadata__' is taken"}, [&] {
    write_safetensors(folder / "a", {{"__metadata__", one}}, {});
  });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, ViewsTheFileWithoutCopying) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", counting({4}, at::kFloat)}}, {});
  const auto file = SafetensorsFile::open(folder / "a");
  EXPECT_EQ(file.tensor("x").data_ptr(), file.tensor("x").data_ptr());
}

TEST(Safetensors, CopiesWhatIsNotAligned) {
  const TemporaryFolder folder;
  const float values[] = {1.5F, -2};
  const std::string data("\x07" +
                         std::string(reinterpret_cast<const char*>(values), sizeof values));
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  for (size_t padding = 0; padding < 8; ++padding) {
    put(folder / "a", raw(header + std::string(padding, ' '), data));
    const at::Tensor tensor = SafetensorsFile::open(folder / "a").tensor("b");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % sizeof(float), 0U);
    expect_same(tensor, at::tensor({1.5F, -2.0F}));
  }
}

TEST(Safetensors, ListsTypesThatTorchLacks) {
  const TemporaryFolder folder;
  put(folder / "a", raw(R"({"four":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]},)"
                        R"("six":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[3,6]},)"
                        R"("bytes":{"dtype":"U8","shape":[2],"data_offsets":[6,8]}})",
                        "12345678"));
  const auto file = SafetensorsFile::open(folder / "a");
  EXPECT_EQ(file.dtype("four"), "F4");
  expect_error(ErrorKind::kData, {"'four'", "F4", "torch cannot hold"},
               [&] { file.tensor("four"); });
  expect_error(ErrorKind::kData, {"'six'", "F6_E3M2"}, [&] { file.tensor("six"); });
  expect_same(file.tensor("bytes"), at::tensor({'7', '8'}).to(at::kByte));
}

TEST(Safetensors, ReadsAnyByteAsABool) {
  const TemporaryFolder folder;
  put(folder / "a",
      raw(R"({"b":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})", {"\0\x01\x80", 3}));
  expect_same(SafetensorsFile::open(folder / "a").tensor("b").to(at::kLong),
              at::tensor({0, 1, 1}, at::kLong));
}

TEST(Safetensors, AcceptsOddButValidHeaders) {
  const TemporaryFolder folder;
  const std::string entry = R"({"shape":[],"data_offsets":[0,1],"dtype":"U8"})";
  for (const std::string& bytes :
       {raw("{}"), raw("\n {\"x\":" + entry + "} \t", "1"), raw("{\"\":" + entry + "}", "1"),
        raw(R"({"__metadata__":{},"x":)" + entry + "}", "1"),
        raw(R"({"x":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]}})")}) {
    put(folder / "a", bytes);
    EXPECT_NO_THROW(SafetensorsFile::open(folder / "a")) << bytes.substr(8);
  }
}

TEST(Safetensors, ReadsAHeaderOfManyTensors) {
  const TemporaryFolder folder;
  std::string header = "{";
  for (int index = 0; index < 50000; ++index) {
    header += (index > 0 ? ",\"" : "\"") + std::to_string(index) +
              R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  }
  put(folder / "a", raw(header + "}"));
  EXPECT_EQ(SafetensorsFile::open(folder / "a").names().size(), 50000U);
}

struct Corrupt {
  const char* name;
  std::string bytes;
  std::vector<std::string> expected;
};

// What test listings show; the default is the bytes of the struct.
void PrintTo(const Corrupt& corrupt, std::ostream* out) { *out << corrupt.name; }

std::string one(std::string_view shape, std::string_view offsets, std::string_view type = "F32") {
  return fmt::format(R"({{"x":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", type, shape,
                     offsets);
}

// The cases of the reference implementation's tests (safetensors/src/tensor.rs) and more.
std::vector<Corrupt> corrupt_files() {
  const std::string good = one("[2]", "[0,8]");
  std::string overlapping = "{";
  for (int index = 0; index < 10; ++index) {
    overlapping +=
        fmt::format(R"({}"weight_{}":{{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})",
                    index > 0 ? "," : "", index);
  }
  overlapping += "}";
  std::string many_ones = "[1";
  for (int index = 0; index < 64; ++index) many_ones += ",1";
  many_ones += "]";
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  return {
      {"Empty", "", {"0 bytes", "too few", "incomplete download"}},
      {"SevenBytes", "1234567", {"7 bytes", "too few"}},
      {"HeaderTooLarge", size_prefix(4'000'001) + "{}", {"4000001 bytes", "at most 4000000"}},
      {"NotThisFormat", "PK\x03\x04 a zip archive", {"not a safetensors file"}},
      {"LargestSize", size_prefix(UINT64_MAX) + "{}", {"18446744073709551615"}},
      {"HeaderBeyondTheFile",
       size_prefix(60) + "{}",
       {"60 bytes", "only 2 are left", "incomplete"}},
      {"NotUtf8", raw("{\"\xff\":1}"), {"not valid JSON", "UTF-8"}},
      {"NotJson", raw("{"), {"the header is not valid JSON"}},
      {"EmptyHeader", raw(""), {"the header is not valid JSON"}},
      {"JunkBehindJson", raw("{} x"), {"the header is not valid JSON"}},
      {"HeaderIsAList", raw("[]"), {"the header is a list"}},
      {"HeaderIsAString", raw("\"x\""), {"the header is a string"}},
      {"LongName", raw("{\"" + std::string(2000, 'x') + "\":1}"), {"a name of 2000 bytes"}},
      {"NestingBomb", raw(std::string(1'000'000, '[')), {"the header is a list"}},
      {"ObjectBomb", raw(R"({"a":{"dtype":{"b":{"c":)"), {"\"dtype\" of 'a' is an object"}},
      {"ListBomb", raw(R"({"a":{"shape":[[[[)"), {"\"shape\" of 'a' is a list"}},
      {"Overlap", raw(overlapping, zeros(16)), {"offsets [0, 16)", "begin at 16", "overlap"}},
      {"Hole", raw(one("[2]", "[4,12]"), zeros(12)), {"'x'", "[4, 12)", "begin at 0", "holes"}},
      {"EndBeforeBegin", raw(one("[0]", "[0,-1]")), {"negative"}},
      {"EndBelowBegin",
       raw(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
           R"("b":{"dtype":"U8","shape":[1],"data_offsets":[4,3]}})",
           zeros(4)),
       {"'b'", "[4, 3)"}},
      {"SizeAndShapeDiffer",
       raw(one("[2,2]", "[0,4]"), zeros(4)),
       {"'x'", "[0, 4)", "expected 16 bytes", "F32 [2, 2]"}},
      {"ShapeBeyond63Bits",
       raw(one("[2,18446744073709551614]", "[0,16]"), zeros(16)),
       {"\"shape\" of 'x'", "63 bits"}},
      {"ShapeBeyond64Bits",
       raw(one("[18446744073709551616]", "[0,16]"), zeros(16)),
       {"not a 64-bit integer"}},
      {"ProductOverflows",
       raw(one("[2,9223372036854775807]", "[0,16]"), zeros(16)),
       {"'x'", "too large"}},
      {"BitsOverflow", raw(one("[2305843009213693952]", "[0,0]")), {"'x'", "too large"}},
      {"StridesOverflow", raw(one("[0,4294967296,4294967296]", "[0,0]")), {"too large"}},
      {"HalfAByte", raw(one("[1,5]", "[0,3]", "F4"), zeros(3)), {"'x'", "whole bytes"}},
      {"NegativeSize", raw(one("[-1]", "[0,4]"), zeros(4)), {"\"shape\" of 'x' is a negative"}},
      {"FractionalSize", raw(one("[2.0]", "[0,8]"), zeros(8)), {"not a 64-bit integer"}},
      {"TextSize", raw(one("[\"2\"]", "[0,8]"), zeros(8)), {"\"shape\" of 'x' is a string"}},
      {"NullShape", raw(one("null", "[0,8]"), zeros(8)), {"\"shape\" of 'x' is null"}},
      {"TooManyDimensions", raw(one(many_ones, "[0,4]"), zeros(4)), {"more than 64"}},
      {"OneOffset", raw(one("[2]", "[8]"), zeros(8)), {"\"data_offsets\" of 'x'", "two numbers"}},
      {"ThreeOffsets", raw(one("[2]", "[0,8,8]"), zeros(8)), {"two numbers"}},
      {"HugeOffset",
       raw(one("[2]", "[0,18446744073709551615]"), zeros(8)),
       {"[0, 18446744073709551615)", "expected 8 bytes"}},
      {"UnknownType", raw(one("[2]", "[0,8]", "F128"), zeros(8)), {"'x'", "unknown type \"F128\""}},
      {"NoType", raw(R"({"x":{"shape":[2],"data_offsets":[0,8]}})", zeros(8)), {"'x' lacks"}},
      {"UnknownKey", raw(R"({"x":{"dtype":"F32","form":[2]}})", zeros(8)), {"\"form\" of 'x'"}},
      {"NotATensor", raw(R"({"x":3})"), {"'x' is a number"}},
      {"TensorIsText", raw(R"({"x":"F32"})"), {"'x' is a string"}},
      {"MetadataNotText",
       raw(R"({"__metadata__":{"epoch":3}})"),
       {"\"epoch\" of '__metadata__' is a number"}},
      {"MetadataNested",
       raw(R"({"__metadata__":{"a":{"b":"c"}}})"),
       {"'__metadata__' is an object"}},
      {"MetadataList", raw(R"({"__metadata__":{"shape":[1]}})"), {"'__metadata__' is a list"}},
      {"NameTwice", raw("{\"x\":" + entry + ",\"x\":" + entry + "}", "1"), {"'x' appears twice"}},
      {"NameTwiceEscaped",
       raw("{\"x\":" + entry + ",\"\\u0078\":" + entry + "}", "1"),
       {"'x' appears twice"}},
      {"KeyTwice", raw(R"({"x":{"dtype":"U8","dtype":"U8"}})"), {"\"dtype\" of 'x' appears twice"}},
      {"MetadataKeyTwice",
       raw(R"({"__metadata__":{"a":"b","a":"c"}})"),
       {"\"a\"", "appears twice"}},
      {"MetadataTwice",
       raw(R"({"__metadata__":{},"__metadata__":{}})"),
       {"'__metadata__' appears twice"}},
      {"DataCutOff", raw(good, zeros(7)), {"7 bytes of data", "expected 8", "incomplete download"}},
      {"DataMissing", raw(good), {"0 bytes of data", "expected 8", "incomplete download"}},
      {"DataAppended", raw(good, zeros(8) + "polyglot"), {"16 bytes of data", "appended"}},
  };
}

class CorruptSafetensors : public testing::TestWithParam<Corrupt> {};

TEST_P(CorruptSafetensors, IsRefused) {
  const TemporaryFolder folder;
  put(folder / "model.safetensors", GetParam().bytes);
  try {
    SafetensorsFile::open(folder / "model.safetensors");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::kData) << message;
    EXPECT_TRUE(message.starts_with((folder / "model.safetensors").string() + ": ")) << message;
    for (const std::string& fragment : GetParam().expected) {
      EXPECT_NE(message.find(fragment), std::string::npos)
          << "no " << fragment << " in " << message;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CorruptSafetensors, testing::ValuesIn(corrupt_files()),
                         [](const auto& test) { return test.param.name; });

// Every prefix of a good file is refused, and none of them reads beyond its end.
TEST(Safetensors, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  const std::string whole = read_file(test::io_golden("types.safetensors"));
  for (size_t size = 0; size < whole.size(); ++size) {
    put(folder / "a", std::string_view(whole).substr(0, size));
    EXPECT_THROW(SafetensorsFile::open(folder / "a"), Error) << size;
  }
}

TEST(Safetensors, ReadsARealModel) {
  PARACLIP_NEEDS_SHARED("models/flickr8k-base/model.safetensors");
  const auto file =
      SafetensorsFile::open(test::shared_folder() / "models/flickr8k-base/model.safetensors");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  for (const std::string& name : file.names()) {
    EXPECT_TRUE(at::isfinite(file.tensor(name).to(at::kFloat)).all().item<bool>()) << name;
  }
  EXPECT_EQ(file.shape("text_model.embeddings.position_embedding.weight"),
            (std::vector<int64_t>{77, 256}));
  EXPECT_GT(file.tensor("logit_scale").item<double>(), 0);
  EXPECT_LT(file.tensor("logit_scale").item<double>(), 4.7);  // ln 100, rounded up.
}

}  // namespace
}  // namespace paraclip
