#include "paraclip/io/tensor_file.h"
#include "tests/io/files.h"
#include "tests/io/torch_files.h"

namespace paraclip {
namespace {

using namespace std::string_literals;
using test::expect_error;
using test::pickle;
using test::pickle_dict;
using test::pickle_global;
using test::pickle_int;
using test::pickle_ints;
using test::pickle_storage;
using test::pickle_tensor;
using test::pickle_text;
using test::pickle_tuple;
using test::put;
using test::raw_bytes;
using test::TemporaryFolder;
using test::torch_stream;
using test::torch_zip;
using test::zip;

struct Hostile {
  const char* name;
  std::string bytes;
  std::vector<std::string> messages;
};

void PrintTo(const Hostile& value, std::ostream* out) { *out << value.name; }

constexpr int64_t kHuge = int64_t{1} << 62;

std::string zeros(size_t size) { return std::string(size, '\0'); }

// A file whose state dict has one tensor "w", in the 16 bytes of storage "0".
std::string with(const std::string& tensor) {
  return torch_zip(pickle_dict({{"w", tensor}}), {zeros(16)});
}

std::string strided(int64_t offset, const std::vector<int64_t>& shape,
                    const std::vector<int64_t>& strides) {
  return with(pickle_tensor(pickle_storage(4), offset, shape, strides));
}

std::string rebuilt(const std::string& name, const std::string& arguments) {
  return with(pickle_global("torch._utils", name) + arguments + "R");
}

std::vector<Hostile> tensors() {
  const std::string storage = pickle_storage(4);
  const std::string four = pickle_ints({4});
  const std::string one = pickle_ints({1});
  const std::string zero = pickle_int(0);
  const std::string plain = storage + zero + four + one + "\x89)";
  return {
      {"BeyondTheStorage",
       strided(0, {5}, {1}),
       {"tensor 'w'", "beyond its storage of 4 elements"}},
      {"OffsetBeyondTheStorage", strided(1, {4}, {1}), {"offset 1 reaches beyond"}},
      {"HugeOffset", strided(INT64_MAX, {2}, {1}), {"reaches beyond"}},
      {"HugeStride", strided(0, {2}, {INT64_MAX}), {"reaches beyond"}},
      {"StridesThatWrapAround", strided(0, {3, 3}, {kHuge, kHuge}), {"reaches beyond"}},
      {"TwoToThe62", strided(0, {kHuge}, {1}), {"[4611686018427387904]", "reaches beyond"}},
      {"TwoToThe62Repeated", strided(0, {kHuge}, {0}), {"repeats the 4 elements"}},
      {"TooManyElements", strided(0, {kHuge, 4}, {0, 0}), {"too large for 64 bits"}},
      {"EmptyButTooLarge", strided(0, {0, kHuge, kHuge}, {1, 1, 1}), {"too large for 64 bits"}},
      {"NegativeSize", strided(0, {-1}, {1}), {"has an integer for size"}},
      {"NegativeStride", strided(3, {4}, {-1}), {"has an integer for stride"}},
      {"NegativeOffset", strided(-1, {4}, {1}), {"has an integer for its offset"}},
      {"FewerStrides", strided(0, {2, 2}, {1}), {"2 sizes and 1 strides"}},
      {"TooManyDimensions",
       strided(0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1)),
       {"65 sizes, expected at most 64"}},
      {"StorageBeyondItsMember",
       with(pickle_tensor(pickle_storage(5), 0, {4}, {1})),
       {"a storage of 20 bytes, but '0' in the file has 16"}},
      {"StorageOf2To62",
       with(pickle_tensor(pickle_storage(kHuge), 0, {4}, {1})),
       {"would have 4611686018427387904 elements"}},
      {"NegativeStorage",
       with(pickle_tensor(pickle_storage(-4), 0, {4}, {1})),
       {"would have -4 elements"}},
      {"StorageThatIsNotThere",
       with(pickle_tensor(pickle_storage(4, "7"), 0, {4}, {1})),
       {"the storage '7', which the file lacks"}},
      {"StorageOutsideItsFolder",
       with(pickle_tensor(pickle_storage(4, "../data.pkl"), 0, {4}, {1})),
       {"the storage '../data.pkl', which the file lacks"}},
      {"StorageOfFunctions",
       with(pickle_tensor(pickle_storage(4, "0", "Size"), 0, {4}, {1})),
       {"refers to a tuple outside it, expected a storage"}},
      {"ReferenceToANumber", with(pickle_tensor("K\x01Q", 0, {4}, {1})), {"refers to an integer"}},
      {"StorageWithinThePickle", with(pickle_tensor("K\x01", 0, {4}, {1})), {"views an integer"}},
      {"NoArguments", rebuilt("_rebuild_tensor_v2", ")"), {"from only 0 arguments"}},
      {"ShapeOfText",
       rebuilt("_rebuild_tensor_v2", pickle_tuple({storage, zero, pickle_text("4"), one})),
       {"has a string for its sizes"}},
      {"TypeThatIsNone",
       rebuilt("_rebuild_tensor_v3", "("s + plain + pickle_global("torch", "Size") + "t"),
       {"has torch.Size for its type"}},
      {"WiderThanItsStorage",
       rebuilt("_rebuild_tensor_v3", "("s + plain + pickle_global("torch", "float64") + "t"),
       {"beyond its storage of 2 elements"}},
      {"Negated",
       rebuilt("_rebuild_tensor_v2", "("s + plain + pickle_dict({{"neg", "\x88"}}) + "t"),
       {"lazily negated"}},
      {"ParameterOfNothing",
       rebuilt("_rebuild_parameter", "(N\x88)t"),
       {"a parameter made of None"}},
      {"LongName",
       torch_zip(pickle_dict({{std::string(10'000, 'n'), pickle_tensor(storage, 0, {4}, {1})}}),
                 {zeros(16)}),
       {"a name of 10000 bytes, expected at most 512"}},
  };
}

std::vector<Hostile> archives() {
  const std::string good = pickle_dict({{"w", pickle_tensor(pickle_storage(4), 0, {4}, {1})}});
  const std::string data = pickle(good);
  const std::string call = pickle_global("posix", "system") + "("s + pickle_text("id") + "tR";
  const std::string whole = torch_zip(good, {zeros(16)});
  const test::ZipEntry storage{"m/data/0", zeros(16)};
  return {
      {"CallInTheStateDict", torch_zip(pickle_dict({{"w", call}})), {"calls posix.system"}},
      {"CallBesideTheStateDict",
       torch_zip(pickle_dict({{"args", call}, {"state_dict", good}}), {zeros(16)}),
       {"calls posix.system"}},
      {"Eval", torch_zip(pickle_global("builtins", "eval")), {"calls builtins.eval"}},
      {"Getattr", torch_zip(pickle_global("builtins", "getattr")), {"calls builtins.getattr"}},
      {"LoadWithinLoad",
       torch_zip(pickle_global("torch.storage", "_load_from_bytes")),
       {"calls torch.storage._load_from_bytes"}},
      {"DottedName",
       torch_zip(pickle_global("torch", "_utils._rebuild_tensor_v2.__globals__")),
       {"calls torch._utils"}},
      {"ScriptClassOutsideOfTorchScript",
       torch_zip(pickle_global("__torch__", "M")),
       {"calls __torch__.M"}},
      {"Deflated10GB",
       zip({{"m/data.pkl", data}, {"m/data/0", zeros(16), /*method=*/8, 0, /*size=*/0xfffffff0}}),
       {"'m/data/0'", "compressed or encrypted"}},
      {"DeflatedToTheSameSize",
       zip({{"m/data.pkl", data}, {"m/data/0", zeros(16), /*method=*/8}}),
       {"'m/data/0'", "compressed or encrypted"}},
      {"DeflatedPickle",
       zip({{"m/data.pkl", data, /*method=*/8, 0, /*size=*/0xfffffff0}, storage}),
       {"'m/data.pkl'", "compressed or encrypted"}},
      {"Encrypted",
       zip({{"m/data.pkl", data}, {"m/data/0", zeros(16), 0, /*flags=*/1}}),
       {"'m/data/0'", "compressed or encrypted"}},
      {"StoredWithTwoSizes",
       zip({{"m/data.pkl", data}, {"m/data/0", zeros(16), 0, 0, /*size=*/1 << 30}}),
       {"'m/data/0'", "compressed or encrypted"}},
      // The first member's data begin at byte 64 and hold the second with its header.
      {"Overlapping",
       zip({{"m/data/0", zip({{"m/data/1", zeros(16)}})},
            {"m/data/1", zeros(16), 0, 0, -1, /*offset=*/64},
            {"m/data.pkl", data}}),
       {"its members share bytes"}},
      {"HeaderOfAnother",
       zip({{"m/data.pkl", data}, storage, {"m/data/1", zeros(16), 0, 0, -1, /*offset=*/0}}),
       {"its directory does not fit its members"}},
      {"OneForTwo",
       zip({{"m/data.pkl", data}, storage, {"m/data/0", zeros(16)}}),
       {"two of one name"}},
      {"TwoPickles", zip({{"m/data.pkl", data}, {"n/data.pkl", data}}), {"more than one data.pkl"}},
      {"BigEndian",
       zip({{"m/data.pkl", data}, {"m/byteorder", "big"}, storage}),
       {"byte order 'big', expected 'little'"}},
      {"ClaimsMoreMembers",
       zip({{"m/data.pkl", data}, storage}, /*claimed=*/20000),
       {"does not fit its members"}},
      {"ClaimsFewerMembers",
       zip({storage, {"m/data.pkl", data}}, /*claimed=*/1),
       {"its directory is damaged"}},
      {"OffsetBeyondTheFile",
       zip({{"m/data.pkl", data, 0, 0, -1, /*offset=*/1 << 30}}),
       {"not a valid zip archive"}},
      {"MemberBeyondTheFile",
       zip({{"m/data.pkl", data}, {"m/data/0", zeros(16), 0, 0, 1 << 30, -1, /*packed=*/1 << 30}}),
       {"a member reaches beyond its end"}},
      {"Wide64MemberBeyondTheFile",
       zip({{"m/data.pkl", data}, {"m/data/0", zeros(16), 0, 0, kHuge, -1, /*packed=*/kHuge}}, -1,
           test::Zip::k64),
       {"a member reaches beyond its end"}},
      {"Wide64OffsetBeyondTheFile",
       zip({{"m/data.pkl", data, 0, 0, -1, /*offset=*/kHuge}}, -1, test::Zip::k64),
       {"does not fit its members"}},
      {"Wide64OfTwoSizes",
       zip({{"m/data.pkl", data, 0, 0, /*size=*/kHuge}}, -1, test::Zip::k64),
       {"compressed or encrypted"}},
      {"Wide64CountOf2To62", test::zip64_end(kHuge, 0, 0, 0), {"more than 30000 members"}},
      {"Wide64DirectoryOf2To64", test::zip64_end(1, UINT64_MAX, 1, 0), {"directory is damaged"}},
      {"Wide64DirectoryBeyond", test::zip64_end(1, 0, kHuge, 0), {"directory is damaged"}},
      {"Wide64EndBeyond", test::zip64_end(1, 0, 0, UINT64_MAX - 8), {"directory is damaged"}},
      {"Wide64WithoutLocator",
       "PK\x05\x06"s + zeros(4) + std::string(12, '\xff') + zeros(2),
       {"directory is damaged"}},
      {"Nested", zip({{"m/model.pt", whole}}), {"has no data.pkl"}},
      {"Cut", whole.substr(0, whole.size() - 30), {"no directory at its end", "incomplete"}},
      {"LongMemberName", zip({{"m/"s + std::string(5000, 'x'), ""}}), {"more than 1024 bytes"}},
  };
}

std::vector<Hostile> streams() {
  const std::string good = pickle_dict({{"w", pickle_tensor(pickle_storage(4), 0, {4}, {1})}});
  const std::string count = raw_bytes(int64_t{4});
  const std::string call = pickle_global("posix", "system") + "("s + pickle_text("id") + "tR";
  const std::string head = torch_stream(good, {"0"});
  return {
      {"CallFirst", pickle(call), {"byte 2", "calls posix.system"}},
      {"CallInside", torch_stream(call, {}), {"calls posix.system"}},
      {"CallInKeys", torch_stream(good, {"0"s + call}), {"nothing refers to it"}},
      {"NoData", head, {"shall have 4 elements in 16 bytes", "incomplete download"}},
      {"CutData", head + count + zeros(15), {"shall have 4 elements in 16 bytes"}},
      {"OtherCount", head + raw_bytes(int64_t{5}) + zeros(20), {"has 5 elements"}},
      {"NegativeCount", head + raw_bytes(int64_t{-4}) + zeros(16), {"shall have 4 elements"}},
      {"UnknownKey", torch_stream(good, {"1"}) + count + zeros(16), {"'1' is listed"}},
      {"MissingKey", torch_stream(good, {}), {"the storage '0', which the file lacks"}},
      {"TwoTypes",
       torch_stream(
           pickle_dict({{"v", pickle_tensor(pickle_storage(4, "0", "HalfStorage"), 0, {4}, {1})},
                        {"w", pickle_tensor(pickle_storage(4), 0, {4}, {1})}}),
           {"0"}) +
           count + zeros(16),
       {"the storage '0' has two types or sizes"}},
      {"OtherVersion",
       pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + pickle("K\x01"),
       {"unknown version, expected 1001"}},
      {"BigEndian",
       pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + pickle("M\xe9\x03") +
           pickle(pickle_dict({{"little_endian", "\x89"}})),
       {"big-endian machine"}},
  };
}

class HostileTorchFile : public testing::TestWithParam<Hostile> {};

TEST_P(HostileTorchFile, IsRefused) {
  const TemporaryFolder folder;
  put(folder / "a.pt", GetParam().bytes);
  for (const std::string& message : GetParam().messages) {
    expect_error(ErrorKind::kData, {(folder / "a.pt").string(), message},
                 [&] { TensorFile::open(folder / "a.pt"); });
  }
}

INSTANTIATE_TEST_SUITE_P(Tensor, HostileTorchFile, testing::ValuesIn(tensors()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Zip, HostileTorchFile, testing::ValuesIn(archives()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Stream, HostileTorchFile, testing::ValuesIn(streams()),
                         [](const auto& test) { return test.param.name; });

TEST(TorchScript, RefusesModulesWithoutEnd) {
  const TemporaryFolder folder;
  const auto open = [&](const std::string& value) {
    put(folder / "a.pt", zip({{"m/data.pkl", pickle(value)}, {"m/constants.pkl", pickle(")")}}));
    TensorFile::open(folder / "a.pt");
  };
  const std::string module = pickle_global("__torch__", "M") + ")\x81";
  // A module that is its own child.
  expect_error(ErrorKind::kData, {"more than 100000 attributes", "512 bytes"},
               [&] { open(module + "q\x01}"s + pickle_text("a") + "h\x01sb"); });
  // Each holds the next twice: 2^40 paths.
  std::string chain = module;
  for (int level = 0; level < 40; ++level) {
    chain +=
        "q\x01"
        "0" +
        module + "}("s + pickle_text("a") + "h\x01"s + pickle_text("b") + "h\x01ub";
  }
  expect_error(ErrorKind::kData, {"more than 100000 attributes"}, [&] { open(chain); });
  expect_error(ErrorKind::kData, {"holds a dictionary, expected a module"}, [&] { open("}"); });
  expect_error(ErrorKind::kData, {"there is no tensor"}, [&] { open(module); });
  expect_error(ErrorKind::kData, {"calls os.system"}, [&] { open(pickle_global("os", "system")); });
}

}  // namespace
}  // namespace paraclip
