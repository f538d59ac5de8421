#include "paraclip/io/image_embeddings.h"

#include "paraclip/io/lines.h"
#include "paraclip/io/npy.h"
#include "paraclip/io/parquet.h"
#include "tests/io/files.h"

#include <cmath>
#include <limits>

namespace paraclip {
namespace {

using test::expect_error;
using test::put;
using test::TemporaryFolder;

// `count` rows of length 1, different from each other, from the angle `first` on.
at::Tensor directions(int64_t first, int64_t count, at::ScalarType type = at::kFloat) {
  const at::Tensor angle = at::arange(first, first + count, at::kFloat) / 100;
  return at::stack({at::cos(angle), at::sin(angle)}, /*dim=*/1).to(type);
}

// A collection in three shards, whose order by name is not that of their numbers.
class ImageEmbeddingsTest : public testing::Test {
 protected:
  void SetUp() override {
    make_directories(folder_ / "img_emb");
    shard(0, directions(0, 2, at::kHalf));
    shard(2, directions(2, 3, at::kHalf));
    shard(10, directions(5, 1));
    ids("a\nb\nc\nd\ne\nf\n");
  }

  void shard(int number, const at::Tensor& rows) {
    write_npy(folder_ / fmt::format("img_emb/img_emb_{}.npy", number), rows);
  }
  void ids(std::string_view text) { put(folder_ / "ids.txt", text); }
  ImageEmbeddings load() { return ImageEmbeddings::load(folder_.path()); }
  void expect_bad(std::initializer_list<std::string> fragments) {
    expect_error(ErrorKind::kData, fragments, [&] { load(); });
  }

  TemporaryFolder folder_;
};

TEST_F(ImageEmbeddingsTest, JoinsShardsByNumber) {
  put(folder_ / "img_emb/notes.txt", "not a shard");
  put(folder_ / "img_emb/img_emb_x.npy", "not a shard");
  const ImageEmbeddings embeddings = load();
  EXPECT_EQ(embeddings.size(), 6);
  EXPECT_EQ(embeddings.width(), 2);
  EXPECT_EQ(embeddings.ids(), (std::vector<std::string>{"a", "b", "c", "d", "e", "f"}));
  EXPECT_EQ(embeddings.row("e"), 4);
  EXPECT_EQ(embeddings.row("g"), std::nullopt);
  const std::vector<int64_t> wanted = {5, 0, 4, 4, 2, 1};
  const at::Tensor rows = embeddings.rows(wanted);
  EXPECT_EQ(rows.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(rows, directions(0, 6).index_select(0, at::tensor(wanted)),
                           /*rtol=*/0, /*atol=*/5e-4));
  EXPECT_EQ(embeddings.rows({}).sizes(), (std::vector<int64_t>{0, 2}));
}

TEST_F(ImageEmbeddingsTest, ReadsAShardInFortranOrder) {
  const std::string header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}";
  const float columns[] = {0.6F, 1, 0.8F, 0};
  put(folder_ / "img_emb/img_emb_10.npy",
      std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size()) + '\0' + header +
          std::string(reinterpret_cast<const char*>(columns), sizeof columns));
  ids("a\nb\nc\nd\ne\nf\ng\n");
  const at::Tensor rows = load().rows(std::vector<int64_t>{5, 6});
  EXPECT_TRUE(at::equal(rows, at::tensor({0.6F, 0.8F, 1.0F, 0.0F}).view({2, 2})));
}

TEST_F(ImageEmbeddingsTest, StaysValidWhenMoved) {
  ImageEmbeddings first = load();
  const ImageEmbeddings second = std::move(first);
  EXPECT_EQ(second.row("b"), 1);
  EXPECT_EQ(second.rows(std::vector<int64_t>{1}).numel(), 2);
}

TEST_F(ImageEmbeddingsTest, RefusesIdsThatDoNotFitTheRows) {
  ids("a\nb\nc\nd\ne\n");
  expect_bad({(folder_ / "ids.txt").string() + " has 5 ids", "expected 6", "3 shards"});
  ids("a\nb\nc\nd\ne\nf\ng\n");
  expect_bad({"has 7 ids", "expected 6"});
  ids("a\nb\nc\nb\ne\nf\n");
  expect_bad({"\"b\" appears twice", "ids.txt, line 2", "ids.txt, line 4"});
  ids("a\nb\n\nd\ne\nf\n");
  expect_bad({"ids.txt, line 3", "empty"});
}

TEST_F(ImageEmbeddingsTest, RefusesShardsThatDoNotFit) {
  shard(10, at::ones({1, 1}));
  expect_bad({"img_emb_10.npy", "width 1", "expected 2"});
  shard(10, at::ones({1}));
  expect_bad({"img_emb_10.npy", "Float of 1 dimensions", "[images, width]"});
  shard(10, at::ones({1, 2}, at::kLong));
  expect_bad({"img_emb_10.npy", "Long"});
  shard(10, at::ones({1, 0}));
  expect_bad({"img_emb_10.npy"});
  put(folder_ / "img_emb/img_emb_10.npy", "junk");
  expect_bad({"img_emb_10.npy is not a NumPy array file"});
  shard(10, directions(5, 1));
  std::filesystem::copy(folder_ / "img_emb/img_emb_10.npy", folder_ / "img_emb/img_emb_02.npy");
  expect_bad({"img_emb_2.npy", "img_emb_02.npy", "same number"});
}

TEST_F(ImageEmbeddingsTest, RefusesRowsNotOfLengthOne) {
  for (const at::ScalarType type : {at::kHalf, at::kFloat}) {
    at::Tensor rows = directions(2, 3);
    rows[1] = at::tensor({6.0F, 8.0F});
    shard(2, rows.to(type));
    expect_bad({"img_emb_2.npy, row 1", "length 10", "expected 1", "divide"});
    rows[1].zero_();
    shard(2, rows.to(type));
    expect_bad({"row 1", "length 0"});
    for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
      rows[1][0] = bad;
      shard(2, rows.to(type));
      expect_bad({"img_emb_2.npy, row 1", "not finite"});
    }
  }
}

// The check works by blocks of rows: a bad one in the last, short block must be found.
TEST_F(ImageEmbeddingsTest, ChecksEveryRow) {
  constexpr int64_t kCount = 20000;
  at::Tensor rows = directions(0, kCount, at::kHalf);
  std::string names;
  for (int64_t row = 0; row < kCount + 3; ++row) names += std::to_string(row) + "\n";
  ids(names);
  shard(2, rows);
  EXPECT_EQ(load().size(), kCount + 3);
  rows[kCount - 1] *= 2;
  shard(2, rows);
  expect_bad({"img_emb_2.npy, row 19999", "length 2"});
}

TEST_F(ImageEmbeddingsTest, AcceptsRowsNormalisedInHalfPrecision) {
  at::Tensor rows = at::arange(1, 3 * 512 + 1, at::kFloat).view({3, 512}).sin().to(at::kBFloat16);
  rows = rows / rows.norm(2, {1}, /*keepdim=*/true);
  std::filesystem::remove_all(folder_ / "img_emb");
  make_directories(folder_ / "img_emb");
  shard(0, rows.to(at::kFloat));
  ids("a\nb\nc\n");
  EXPECT_EQ(load().width(), 512);
}

TEST_F(ImageEmbeddingsTest, SaysWhatIsMissing) {
  std::filesystem::remove(folder_ / "ids.txt");
  expect_error(ErrorKind::kIo, {(folder_ / "ids.txt").string(), "No such file"}, [&] { load(); });
  std::filesystem::remove_all(folder_ / "img_emb");
  expect_error(ErrorKind::kIo, {(folder_ / "img_emb").string(), "img_emb_0.npy"}, [&] { load(); });
  make_directories(folder_ / "img_emb");
  expect_bad({(folder_ / "img_emb").string(), "holds no img_emb_0.npy"});
}

// As clip-retrieval itself writes it: no ids.txt, and padded numbers.
class ImageMetadataTest : public ImageEmbeddingsTest {
 protected:
  void SetUp() override {
    ImageEmbeddingsTest::SetUp();
    std::filesystem::remove(folder_ / "ids.txt");
    make_directories(folder_ / "metadata");
    metadata("00", {{"caption", {"x", "x"}}, {"key", {1, 2}}, {"image_path", {"a", "b"}}});
    metadata("02", {{"id", {"c", "d", "e"}}, {"image_id", {"c", "c", "c"}}});
    metadata("10", {{"image_id", {7}}});
  }

  void metadata(const std::string& number, const std::vector<ParquetColumn>& columns) {
    write_parquet(folder_ / ("metadata/metadata_" + number + ".parquet"), columns);
  }
};

TEST_F(ImageMetadataTest, HoldsTheIds) {
  EXPECT_EQ(load().ids(), (std::vector<std::string>{"a", "b", "c", "d", "e", "7"}));
  EXPECT_EQ(load().row("7"), 5);
  ids("1\n2\n3\n4\n5\n6\n");
  EXPECT_EQ(load().ids().front(), "1");
  metadata("02", {{"key", {"k", "l", "m"}}});
  metadata("10", {{"key", {"n"}}});
  EXPECT_EQ(ImageEmbeddings::load(folder_.path(), "key").ids(),
            (std::vector<std::string>{"1", "2", "k", "l", "m", "n"}));
}

TEST_F(ImageMetadataTest, MustFitItsShard) {
  metadata("02", {{"id", {"c", "d"}}});
  expect_bad({"metadata_02.parquet has 2 rows", "expected 3", "img_emb_2.npy"});
  metadata("02", {{"url", {"c", "d", "e"}}});
  expect_bad({"metadata_02.parquet has no column", "image_path, key, id, image_id", "ids.txt"});
  metadata("02", {{"id", {"c", nullptr, "e"}}});
  expect_bad({"metadata_02.parquet, row 1", "null"});
  metadata("02", {{"id", {"c", "d", "b"}}});
  expect_bad({"\"b\" appears twice", "metadata_00.parquet, row 1", "metadata_02.parquet, row 2"});
  metadata("02", {{"id", {"c", "d", "e"}}});
  metadata("11", {{"id", {"f"}}});
  expect_bad({"metadata of 4 shards", "expected 3"});
  std::filesystem::remove(folder_ / "metadata/metadata_11.parquet");
  std::filesystem::remove(folder_ / "metadata/metadata_10.parquet");
  expect_bad({"img_emb_10.npy has no metadata_10.parquet"});
}

TEST_F(ImageEmbeddingsTest, KnowsTheTowerThatMadeThem) {
  EXPECT_EQ(load().tower(), std::nullopt);
  put(folder_ / "embeddings.json", R"({"image_tower": "0123456789abcdef"})");
  EXPECT_EQ(load().tower(), "0123456789abcdef");
  EXPECT_EQ(image_tower_of(folder_.path()), "0123456789abcdef");
  std::filesystem::remove(folder_ / "embeddings.json");
  make_directories(folder_ / "shards");
  put(folder_ / "shards/run.json", "{}");
  expect_bad({"not complete", "embeddings.json is missing", "again"});
}

TEST(ImageEmbeddings, ReadsARealCollection) {
  PARACLIP_NEEDS_SHARED("data/flickr8k/embeddings");
  const auto folder = test::shared_folder() / "data/flickr8k";
  const ImageEmbeddings embeddings = ImageEmbeddings::load(folder / "embeddings");
  EXPECT_EQ(embeddings.size(), 7000);
  EXPECT_EQ(embeddings.width(), 256);
  for (const std::string& id : read_lines(folder / "dev.txt")) {
    ASSERT_TRUE(embeddings.row(id).has_value()) << id;
  }
  const std::vector<int64_t> ends = {0, 6999};
  EXPECT_TRUE(at::allclose(embeddings.rows(ends).norm(2, {1}), at::ones({2}), /*rtol=*/0,
                           /*atol=*/1e-3));
}

}  // namespace
}  // namespace paraclip
