#include "paraclip/io/tensor_file.h"

#include "paraclip/io/safetensors.h"
#include "tests/io/files.h"
#include "tests/io/torch_files.h"

namespace paraclip {
namespace {

using test::counting;
using test::expect_error;
using test::expect_same;
using test::io_golden;
using test::put;
using test::TemporaryFolder;

TEST(TensorFile, ReadsSafetensors) {
  const auto file = TensorFile::open(io_golden("types.safetensors"));
  EXPECT_EQ(file.format(), TensorFormat::kSafetensors);
  EXPECT_EQ(file.path(), io_golden("types.safetensors"));
  EXPECT_EQ(file.entries().size(), 7U);
  EXPECT_EQ(file.entries().at("u16").dtype, "U16");
  EXPECT_EQ(file.entries().at("f32").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_TRUE(file.contains("f32"));
  EXPECT_FALSE(file.contains("f33"));
  expect_same(file.tensor("f32"), counting({2, 3}, at::kFloat));
  expect_error(ErrorKind::kData, {"types.safetensors", "no tensor 'f33'"},
               [&] { file.tensor("f33"); });
}

// The length of a header may read as the first bytes of a pickle, a zip archive or gzip.
TEST(TensorFile, TakesNoHeaderForAnotherFormat) {
  const TemporaryFolder folder;
  for (const uint64_t length : {0x0280U, 0x0480U, 0x4b50U, 0x088b1fU}) {
    std::string header = R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    header.resize(length, ' ');
    put(folder / "a", test::raw_bytes(length) + header + "\x07");
    expect_same(TensorFile::open(folder / "a").tensor("x"), at::tensor({7}, at::kByte));
  }
}

TEST(TensorFile, NamesItsFormats) {
  EXPECT_EQ(to_string(TensorFormat::kSafetensors), "safetensors");
  EXPECT_EQ(to_string(TensorFormat::kSharded), "sharded");
  EXPECT_EQ(to_string(TensorFormat::kTorch), "torch");
  EXPECT_EQ(to_string(TensorFormat::kTorchScript), "TorchScript");
}

TEST(TensorFile, NamesWhatIsNoFileOfTensors) {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "it is empty"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 605143316\n",
       "Git LFS pointer, not the weights; run `git lfs pull`"},
      {"\n <!DOCTYPE html><html><body>Sign in</body></html>", "a web page"},
      {"<HTML><body>404</body>", "a web page"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "a web page"},
      {"\x1f\x8b\x08 and more", "compressed by gzip"},
      {"\x89HDF\r\n\x1a\n", "an HDF5 file"},
      {std::string(257, 'x') + "ustar  and more", "a tar archive"},
      {test::zip({{"weights.txt", "1 2 3"}}), "zip archive, but not one of torch.save"},
      {test::zip({}), "zip archive, but not one of torch.save"},
      {test::pickle("K\x01"), "a Python pickle, but not one of torch.save"},
      {"{\"architectures\": [\"CLIPModel\"], \"model_type\": \"clip\"}", "safetensors"},
  };
  for (const auto& [bytes, message] : cases) {
    put(folder / "weights.bin", bytes);
    expect_error(ErrorKind::kData, {(folder / "weights.bin").string(), message},
                 [&] { TensorFile::open(folder / "weights.bin"); });
  }
  expect_error(ErrorKind::kIo, {"cannot open", "nothing.bin"},
               [&] { TensorFile::open(folder / "nothing.bin"); });
}

class Sharded : public testing::Test {
 protected:
  void SetUp() override {
    write_safetensors(folder_ / "a.safetensors", {{"x", counting({2}, at::kFloat)}}, {});
    write_safetensors(folder_ / "b.safetensors",
                      {{"y", counting({3}, at::kHalf)}, {"z", counting({1}, at::kFloat)}}, {});
  }

  TensorFile open(const std::string& weight_map) {
    put(path_, R"({"metadata":{"total_size":18},"weight_map":)" + weight_map + "}");
    return TensorFile::open(path_);
  }

  void refuses(const std::string& weight_map, std::initializer_list<std::string> message,
               ErrorKind kind = ErrorKind::kData) {
    expect_error(kind, message, [&] { open(weight_map); });
  }

  const TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "model.safetensors.index.json";
};

TEST_F(Sharded, JoinsTheShards) {
  const auto file = open(R"({"x":"a.safetensors","y":"b.safetensors","z":"b.safetensors"})");
  EXPECT_EQ(file.format(), TensorFormat::kSharded);
  EXPECT_EQ(file.path(), path_);
  EXPECT_EQ(file.entries().size(), 3U);
  expect_same(file.tensor("x"), counting({2}, at::kFloat));
  expect_same(file.tensor("y"), counting({3}, at::kHalf));
  expect_same(file.tensor("z"), counting({1}, at::kFloat));
}

TEST_F(Sharded, JoinsShardsOfTorch) {
  std::filesystem::copy(io_golden("torch_script.pt"), folder_ / "s.bin");
  const auto file = open(R"({"x":"a.safetensors","scale":"s.bin","layers.0.weight":"s.bin",
      "layers.0.bias":"s.bin","layers.1.last.weight":"s.bin","layers.1.last.bias":"s.bin",
      "visual.steps":"s.bin","visual.weight":"s.bin"})");
  expect_same(file.tensor("visual.weight"), counting({2, 3}, at::kFloat));
}

TEST_F(Sharded, NamesEveryMissingShard) {
  refuses(R"({"x":"a.safetensors","y":"c.safetensors","z":"d.safetensors"})",
          {"model.safetensors.index.json", "2 of 3 shards", "c.safetensors, d.safetensors"},
          ErrorKind::kIo);
}

TEST_F(Sharded, RefusesAMapThatDoesNotFit) {
  refuses(R"({"x":"a.safetensors","w":"a.safetensors","y":"b.safetensors","z":"b.safetensors"})",
          {"a.safetensors lacks 1 tensors (w)"});
  refuses(R"({"x":"a.safetensors","y":"b.safetensors"})",
          {"b.safetensors holds 1 tensors (z) that the index does not put there"});
}

TEST_F(Sharded, TakesPlainNamesBesideTheIndexOnly) {
  for (const char* name : {"../a.safetensors", "/etc/passwd", "b/a.safetensors", "..", ".", "",
                           "a\\\\b", "a\\u0000", "model.safetensors.index.json"}) {
    refuses(fmt::format(R"({{"x":"{}"}})", name), {"tensor 'x'", "beside the index"});
  }
}

TEST_F(Sharded, RefusesAnIndexThatIsNone) {
  refuses("[]", {"\"weight_map\""});
  refuses("{}", {"\"weight_map\""});
  refuses(R"({"x":1})", {"\"x\" is 1, expected a string"});
  refuses(R"({"x":"a.safetensors","x":"b.safetensors"})", {"\"x\" appears twice"});
  refuses("\"" + std::string(4'000'000, 'x') + "\"", {"4000", "expected at most 4000000"});
  put(path_, "[]");
  expect_error(ErrorKind::kData, {"\"weight_map\""}, [&] { TensorFile::open(path_); });
}

}  // namespace
}  // namespace paraclip
