#include "paraclip/io/tensor_file.h"
#include "tests/io/files.h"
#include "tests/io/torch_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace paraclip {
namespace {

using test::counting;
using test::expect_error;
using test::expect_same;
using test::io_golden;
using test::pickle_dict;
using test::pickle_storage;
using test::pickle_tensor;
using test::put;
using test::TemporaryFolder;

std::string floats(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}

std::vector<std::string> names(const TensorFile& file) {
  std::vector<std::string> found;
  for (const auto& entry : file.entries()) found.push_back(entry.first);
  return found;
}

// Whether `tensor` lies in pages that are mapped from `path`.
bool mapped_from(const at::Tensor& tensor, const std::filesystem::path& path) {
  const auto address = reinterpret_cast<uintptr_t>(tensor.data_ptr());
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char dash = 0;
    fields >> std::hex >> begin >> dash >> end;
    if (address >= begin && address < end) return line.ends_with(path.string());
  }
  return false;
}

class TorchGolden : public testing::TestWithParam<const char*> {};

TEST_P(TorchGolden, HoldsEveryTypeAndLayout) {
  const auto file = TensorFile::open(io_golden(GetParam()));
  EXPECT_EQ(file.format(), TensorFormat::kTorch);
  EXPECT_EQ(file.entries().size(), 17U);
  const at::Tensor whole = counting({3, 4}, at::kFloat);
  expect_same(file.tensor("f32"), whole);
  expect_same(file.tensor("transposed"), whole.t());
  expect_same(file.tensor("row"), whole.select(0, 1));
  expect_same(file.tensor("column"), whole.select(1, 2));
  expect_same(file.tensor("scalar"), at::scalar_tensor(-7, at::kLong));
  expect_same(file.tensor("empty"), at::empty({0, 3}));
  expect_same(file.tensor("f16"), counting({5}, at::kHalf));
  expect_same(file.tensor("bf16"), counting({5}, at::kBFloat16));
  expect_same(file.tensor("f64"), counting({2, 2}, at::kDouble));
  expect_same(file.tensor("i8"), at::tensor({-1, 2}, at::kChar));
  expect_same(file.tensor("u8"), at::tensor({1, 255}, at::kByte));
  expect_same(file.tensor("i16"), at::tensor({-1, 2}, at::kShort));
  expect_same(file.tensor("i32"), at::tensor({-1, 2}, at::kInt));
  expect_same(file.tensor("bool"), at::tensor({1, 0, 1}).to(at::kBool));
  expect_same(at::view_as_real(file.tensor("c64")), at::tensor({1.F, 2.F}).view({1, 2}));
  expect_same(file.tensor("u16").to(at::kLong), at::tensor({1, 65535}, at::kLong));
  EXPECT_EQ(file.tensor("f8").scalar_type(), at::kFloat8_e4m3fn);
  expect_same(file.tensor("f8").to(at::kFloat), counting({5}, at::kFloat));
  EXPECT_EQ(file.entries().at("f8").dtype, "F8_E4M3");
  EXPECT_EQ(file.entries().at("transposed").dtype, "F32");
  EXPECT_EQ(file.entries().at("transposed").shape, (std::vector<int64_t>{4, 3}));
}

INSTANTIATE_TEST_SUITE_P(, TorchGolden,
                         testing::Values("torch_zip.pt", "torch_protocol5.pt", "torch_stream.pt"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(6, name.find('.') - 6);
                         });

void expect_model(const TensorFile& file, const std::string& prefix, at::ScalarType type) {
  EXPECT_EQ(file.entries().size(), 7U) << testing::PrintToString(names(file));
  expect_same(file.tensor(prefix + "visual.weight"), counting({2, 3}, type));
  expect_same(file.tensor(prefix + "visual.steps"), at::tensor({1, 2}, at::kLong));
  expect_same(file.tensor(prefix + "layers.0.weight"), counting({2}, type));
  expect_same(file.tensor(prefix + "layers.0.bias"), counting({2}, type));
  expect_same(file.tensor(prefix + "layers.1.last.weight"), counting({3, 2}, type));
  expect_same(file.tensor(prefix + "layers.1.last.bias"), counting({3}, type));
  expect_same(file.tensor(prefix + "scale"), at::scalar_tensor(0, type));
}

TEST(TorchFile, TakesTheStateDictOfATrainingCheckpoint) {
  for (const char* name : {"torch_checkpoint.pt", "torch_checkpoint_stream.pt"}) {
    expect_model(TensorFile::open(io_golden(name)), "module.", at::kFloat);
  }
}

TEST(TorchFile, NamesWhatTorchScriptHolds) {
  const auto scripted = TensorFile::open(io_golden("torch_script.pt"));
  EXPECT_EQ(scripted.format(), TensorFormat::kTorchScript);
  expect_model(scripted, "", at::kFloat);
  const auto traced = TensorFile::open(io_golden("torch_trace_f16.pt"));
  EXPECT_EQ(traced.format(), TensorFormat::kTorchScript);
  expect_model(traced, "", at::kHalf);
}

TEST(TorchFile, RefusesAWholeModule) {
  expect_error(ErrorKind::kData,
               {"torch_module.pt: data.pkl", "byte 2", "torch.nn.modules.linear.Linear",
                "nothing of the file was run", "safetensors"},
               [] { TensorFile::open(io_golden("torch_module.pt")); });
}

TEST(TorchFile, ViewsTheMapping) {
  const auto path = io_golden("torch_zip.pt");
  const auto file = TensorFile::open(path);
  for (const char* name : {"f32", "transposed", "row", "column", "f16", "bf16", "f64", "u16"}) {
    EXPECT_TRUE(mapped_from(file.tensor(name), path)) << name;
  }
  const auto data = [&](const char* name) { return file.tensor(name).data_ptr<float>(); };
  EXPECT_EQ(data("transposed"), data("f32"));
  EXPECT_EQ(data("row"), data("f32") + 4);
  EXPECT_EQ(data("column"), data("f32") + 2);
  EXPECT_EQ(file.tensor("column").strides(), at::IntArrayRef({4}));
}

TEST(TorchFile, OutlivesTheObjectAndTheName) {
  const TemporaryFolder folder;
  std::filesystem::copy(io_golden("torch_zip.pt"), folder / "a.pt");
  const at::Tensor row = TensorFile::open(folder / "a.pt").tensor("row");
  std::filesystem::remove(folder / "a.pt");
  expect_same(row, counting({3, 4}, at::kFloat).select(0, 1));
}

TEST(TorchFile, ReachesBeyondFourGigabytes) {
  const TemporaryFolder folder;
  const int64_t large = int64_t{3} << 29;  // 6 GB of float, which no disk block holds
  const std::string value =
      pickle_dict({{"large", pickle_tensor(pickle_storage(large, "a"), 0, {large}, {1})},
                   {"small", pickle_tensor(pickle_storage(3, "b"), 1, {2}, {1})}});
  const auto path = folder / "large.pt";
  {
    std::ofstream file(path, std::ios::binary);
    file << test::torch_stream(value, {"a", "b"}) << test::raw_bytes(large);
    file.seekp(large * 4, std::ios::cur);
    file << test::raw_bytes(int64_t{3}) << floats({1, 2, 3});
  }
  const auto file = TensorFile::open(path);
  expect_same(file.tensor("small"), at::tensor({2.F, 3.F}));
  EXPECT_EQ(file.entries().at("large").shape, (std::vector<int64_t>{large}));
}

TEST(TorchFile, ReadsZip64) {
  const TemporaryFolder folder;
  const std::string value = pickle_dict({{"w", pickle_tensor(pickle_storage(3), 1, {2}, {1})}});
  put(folder / "a.pt",
      test::zip({{"m/data.pkl", test::pickle(value)}, {"m/data/0", floats({1, 2, 3})}},
                /*claimed=*/-1, test::Zip::k64));
  expect_same(TensorFile::open(folder / "a.pt").tensor("w"), at::tensor({2.F, 3.F}));
}

TEST(TorchFile, CopiesWhatIsNotAligned) {
  const TemporaryFolder folder;
  for (int shift = 0; shift < 4; ++shift) {
    const std::string key(static_cast<size_t>(shift) + 1, 'k');
    const std::string value =
        pickle_dict({{"t", pickle_tensor(pickle_storage(6, key), 0, {3, 2}, {1, 3})}});
    put(folder / "a.pt", test::torch_stream(value, {key}) + test::raw_bytes(int64_t{6}) +
                             floats({1, 2, 3, 4, 5, 6}));
    expect_same(TensorFile::open(folder / "a.pt").tensor("t"),
                at::tensor({1.F, 4.F, 2.F, 5.F, 3.F, 6.F}).view({3, 2}));
  }
}

TEST(TorchFile, FindsTheStateDictUnderItsUsualKeys) {
  const TemporaryFolder folder;
  const std::string tensor = pickle_tensor(pickle_storage(1), 0, {1}, {1});
  const auto open = [&](const std::string& value) {
    put(folder / "a.pt", test::torch_zip(value, {floats({1})}));
    return names(TensorFile::open(folder / "a.pt"));
  };
  using Names = std::vector<std::string>;
  const std::string inner = pickle_dict({{"w", tensor}});
  for (const char* key : {"state_dict", "model_state_dict", "model", "module"}) {
    EXPECT_EQ(open(pickle_dict({{"step", "K\x01"}, {"other", inner}, {key, inner}})), Names{"w"});
    EXPECT_EQ(open(pickle_dict({{key, tensor}})), Names{key}) << "a tensor of that name";
  }
  EXPECT_EQ(open(pickle_dict({{"model", pickle_dict({{"no", tensor}})}, {"state_dict", inner}})),
            Names{"w"});
  EXPECT_EQ(open(pickle_dict({{"w", tensor},
                              {"n", "N"},
                              {"list",
                               "](K\x01K\x02"
                               "e"}})),
            Names{"w"});
  expect_error(ErrorKind::kData, {"a.pt: data.pkl", "no state dict", "'step', 'weights'"}, [&] {
    open(pickle_dict({{"step", "K\x01"}, {"weights", inner}}));
  });
  expect_error(ErrorKind::kData, {"holds a list, expected a dictionary"}, [&] { open("]"); });
  expect_error(ErrorKind::kData, {"there is no tensor"}, [&] {
    open(pickle_dict({{"state_dict", "}"}}));
  });
  expect_error(ErrorKind::kData, {"a dictionary with tensors in it ('nested')"}, [&] {
    open(pickle_dict({{"w", tensor}, {"nested", inner}}));
  });
  expect_error(ErrorKind::kData, {"named by an integer"}, [&] {
    open(std::string("}(") + test::pickle_text("w") + tensor + "K\x01" + tensor + "u");
  });
  expect_error(ErrorKind::kData, {"tensor 'w' appears twice"}, [&] {
    open(pickle_dict({{"w", tensor}, {"w", tensor}}));
  });
}

}  // namespace
}  // namespace paraclip
