#include "paraclip/io/npy.h"

#include "paraclip/base/file.h"
#include "tests/io/files.h"

namespace paraclip {
namespace {

using test::counting;
using test::expect_error;
using test::expect_same;
using test::io_golden;
using test::put;
using test::TemporaryFolder;

std::string raw(std::string_view header, std::string_view data = "", char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += {version, '\0', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  if (version > 1) bytes += {'\0', '\0'};
  return bytes.append(header).append(data);
}

TEST(Npy, ReadsNumpy) {
  expect_same(read_npy(io_golden("f16_v1.npy")), counting({3, 4}, at::kHalf));
  expect_same(read_npy(io_golden("f32_v2.npy")), counting({2, 3, 2}, at::kFloat));
  expect_same(read_npy(io_golden("f64_v3_fortran.npy")), counting({2, 3}, at::kDouble));
  expect_same(read_npy(io_golden("i64_scalar.npy")), at::scalar_tensor(-7, at::kLong));
  expect_same(read_npy(io_golden("i32.npy")), at::tensor({1, -2}, at::kInt));
  expect_same(read_npy(io_golden("u8_empty.npy")), at::empty({0, 3}, at::kByte));
}

TEST(Npy, RefusesTypesByName) {
  expect_error(ErrorKind::kData, {"f32_big_endian.npy", "'>f4' (big-endian)", "astype"},
               [] { read_npy(io_golden("f32_big_endian.npy")); });
  expect_error(ErrorKind::kData, {"objects.npy", "'|O' (pickled Python objects)"},
               [] { read_npy(io_golden("objects.npy")); });
  expect_error(ErrorKind::kData, {"records.npy", "records of several fields"},
               [] { read_npy(io_golden("records.npy")); });
}

TEST(Npy, WritesBack) {
  const TemporaryFolder folder;
  for (const at::ScalarType type : {at::kHalf, at::kFloat, at::kLong}) {
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{}, {5}, {2, 3}, {0, 4}, {2, 3, 4}}) {
      const at::Tensor array = counting(shape, type);
      write_npy(folder / "a.npy", array);
      expect_same(read_npy(folder / "a.npy"), array);
      EXPECT_EQ((read_file(folder / "a.npy").size() - array.nbytes()) % 64, 0U);
    }
  }
}

// numpy writes the same bytes, but for the room that it leaves for growth.
TEST(Npy, WritesTheHeaderOfNumpy) {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", counting({3, 4}, at::kHalf));
  EXPECT_EQ(read_file(folder / "a.npy"), read_file(io_golden("f16_v1.npy")));
  write_npy(folder / "a.npy", at::scalar_tensor(-7, at::kLong));
  EXPECT_EQ(read_file(folder / "a.npy"), read_file(io_golden("i64_scalar.npy")));
}

TEST(Npy, WritesStridedArrays) {
  const TemporaryFolder folder;
  const at::Tensor matrix = counting({3, 4}, at::kFloat);
  write_npy(folder / "a.npy", matrix.t());
  expect_same(read_npy(folder / "a.npy"), matrix.t());
}

TEST(Npy, RefusesToWriteOtherTypes) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::kUsage, {(folder / "a.npy").string(), "BFloat16", "f16, f32 or i64"},
               [&] { write_npy(folder / "a.npy", at::ones({1}, at::kBFloat16)); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Npy, OutlivesItsFile) {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", counting({1000}, at::kFloat));
  const at::Tensor array = read_npy(folder / "a.npy");
  write_npy(folder / "a.npy", array + 1);
  std::filesystem::remove(folder / "a.npy");
  expect_same(array, counting({1000}, at::kFloat));
}

TEST(Npy, ReadsHeadersThatNumpyWouldRead) {
  const TemporaryFolder folder;
  for (const std::string& header : {
           std::string("{'shape':(2,),'fortran_order':False,'descr':'|u1'}"),
           std::string("{\"descr\": \"|u1\", 'shape': (2,), 'fortran_order': True, }   \n"),
           std::string(" {'descr': '|u1', 'fortran_order': False, 'shape': (1, 2)}"),
       }) {
    for (const char version : {1, 2, 3}) {
      put(folder / "a.npy", raw(header, "ab", version));
      expect_same(read_npy(folder / "a.npy").reshape({2}), at::tensor({'a', 'b'}).to(at::kByte));
    }
  }
}

TEST(Npy, CopiesWhatIsNotAligned) {
  const TemporaryFolder folder;
  for (size_t padding = 0; padding < 4; ++padding) {
    const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}";
    put(folder / "a.npy", raw(header + std::string(padding, ' '), {"\0\0\x80\x3f", 4}));
    const at::Tensor array = read_npy(folder / "a.npy");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(array.data_ptr()) % sizeof(float), 0U);
    expect_same(array, at::ones({1}));
  }
}

struct Corrupt {
  const char* name;
  std::string bytes;
  std::vector<std::string> expected;
};

// What test listings show; the default is the bytes of the struct.
void PrintTo(const Corrupt& corrupt, std::ostream* out) { *out << corrupt.name; }

std::string header(std::string_view descr, std::string_view order, std::string_view shape) {
  return fmt::format("{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}\n", descr, order, shape);
}

std::vector<Corrupt> corrupt_files() {
  const std::string good = header("'|u1'", "False", "(2,)");
  return {
      {"Empty", "", {"not a NumPy array file"}},
      {"OtherMagic", "PK\x03\x04 an npz archive", {"not a NumPy array file"}},
      {"OnlyMagic", "\x93NUMPY", {"not a NumPy array file"}},
      {"VersionZero", raw(good, "ab", 0), {"version 0.0", "1.0 to 3.0"}},
      {"VersionFour", raw(good, "ab", 4), {"version 4.0"}},
      {"NoLength", std::string("\x93NUMPY\x01\0", 8), {"cut off", "incomplete download"}},
      {"HalfALength", std::string("\x93NUMPY\x02\0\0\0\0", 11), {"cut off"}},
      {"HeaderCutOff", raw(good).substr(0, 40), {"cut off", "incomplete download"}},
      {"LargestHeader", std::string("\x93NUMPY\x02\0\xff\xff\xff\xff", 12) + good, {"cut off"}},
      {"LongHeader", raw(good + std::string(20000, ' '), "ab"), {"20058 bytes", "at most 10000"}},
      {"EmptyHeader", raw("", "ab"), {"malformed", "expected {"}},
      {"NotADictionary", raw("['descr']", "ab"), {"malformed", "expected {"}},
      {"NotClosed", raw(good.substr(0, good.size() - 2), "ab"), {"malformed", "a string"}},
      {"OpenString", raw("{'descr", "ab"), {"a closed string"}},
      {"JunkBehind", raw(good + "x", "ab"), {"malformed", "the end", "\"x\""}},
      {"NoShape", raw("{'descr': '|u1', 'fortran_order': False}", "ab"), {"lacks", "'shape'"}},
      {"UnknownKey", raw("{'order': 'C'}", "ab"), {"'order'", "unknown"}},
      {"KeyTwice", raw("{'descr': '|u1', 'descr': '|u1'}", "ab"), {"'descr'", "twice"}},
      {"OrderIsANumber", raw(header("'|u1'", "0", "(2,)"), "ab"), {"malformed", "False"}},
      {"NegativeSize", raw(header("'|u1'", "False", "(-2,)"), "ab"), {"malformed", "a size"}},
      {"FractionalSize", raw(header("'|u1'", "False", "(2.0,)"), "ab"), {"malformed"}},
      {"SizeOverflows",
       raw(header("'|u1'", "False", "(9223372036854775808,)"), "ab"),
       {"malformed", "a size"}},
      {"ShapeOverflows",
       raw(header("'<f8'", "False", "(4294967296, 4294967296)"), "ab"),
       {"[4294967296, 4294967296]", "too large"}},
      {"BytesOverflow",
       raw(header("'<f8'", "False", "(4611686018427387904,)"), "ab"),
       {"too large"}},
      {"UnknownType", raw(header("'<c8'", "False", "(2,)"), "ab"), {"'<c8'", "expected f2, f4"}},
      {"NativeBool", raw(header("'|b1'", "False", "(2,)"), "ab"), {"'|b1'"}},
      {"DataCutOff", raw(good, "a"), {"1 bytes of data", "expected 2", "[2]", "incomplete"}},
      {"DataAppended", raw(good, "abc"), {"3 bytes of data", "expected 2"}},
  };
}

class CorruptNpy : public testing::TestWithParam<Corrupt> {};

TEST_P(CorruptNpy, IsRefused) {
  const TemporaryFolder folder;
  put(folder / "a.npy", GetParam().bytes);
  try {
    read_npy(folder / "a.npy");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::kData) << message;
    EXPECT_TRUE(message.starts_with((folder / "a.npy").string())) << message;
    for (const std::string& fragment : GetParam().expected) {
      EXPECT_NE(message.find(fragment), std::string::npos)
          << "no " << fragment << " in " << message;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CorruptNpy, testing::ValuesIn(corrupt_files()),
                         [](const auto& test) { return test.param.name; });

TEST(Npy, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  const std::string whole = read_file(io_golden("f32_v2.npy"));
  for (size_t size = 0; size < whole.size(); ++size) {
    put(folder / "a.npy", std::string_view(whole).substr(0, size));
    EXPECT_THROW(read_npy(folder / "a.npy"), Error) << size;
  }
}

}  // namespace
}  // namespace paraclip
