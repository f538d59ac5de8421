#include "paraclip/embed/embedder.h"

#include "paraclip/embed/embedding_folder.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/io/npy.h"
#include "paraclip/io/tar.h"
#include "tests/base/expect_error.h"
#include "tests/embed/collection.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::files_of;
using test::put;
using test::some_jpeg;
using test::TemporaryFolder;
using Strings = std::vector<std::string>;

class EmbedderTest : public testing::Test {
 protected:
  void SetUp() override {
    test::put_model(folder_ / "model");
    options_.output = folder_ / "out";
    options_.pipeline.batch_size = 4;
    options_.max_bad_fraction = 0.5;
    source_options_.shard_size = 10;
  }

  // `count` images, every `bad_every`th of which is none.
  void put_images(int count, int bad_every = 0) {
    for (int i = 0; i < count; ++i) {
      const bool bad = bad_every > 0 && i % bad_every == bad_every - 1;
      put(folder_ / fmt::format("images/{:03}.jpg", i), bad ? "no image" : some_jpeg(i));
    }
  }
  void put_tar(const std::string& name, int first, int count) {
    TarWriter writer(folder_ / name);
    for (int i = first; i < first + count; ++i) {
      writer.add(fmt::format("{:03}.jpg", i), some_jpeg(i));
      writer.add(fmt::format("{:03}.json", i), fmt::format(R"({{"width": {}}})", i));
      if (i % 3 > 0) writer.add(fmt::format("{:03}.txt", i), fmt::format("a photo {}", i));
    }
    writer.commit();
  }
  EmbedReport embed(const std::string& images, bool with_text = false) {
    const auto source = open_image_source((folder_ / images).string(), source_options_);
    const TextModel texts = TextModel::load(folder_ / "model");
    return embed_images(model(), with_text ? &texts : nullptr, *source, options_, {});
  }
  ImageModel model() { return ImageModel::load(folder_ / "model"); }
  at::Tensor expected_row(int i) {
    const std::string bytes = some_jpeg(i);
    const Image image = decode_image(std::as_bytes(std::span(bytes)), "test");
    const at::Tensor pixels = at::empty({1, 3, 8, 8});
    preprocess(image, model().preprocessing(), {pixels.mutable_data_ptr<float>(), 192});
    return model().encode(pixels)[0];
  }

  TemporaryFolder folder_;
  EmbedOptions options_;
  ImageSourceOptions source_options_;
};

TEST_F(EmbedderTest, WritesClipRetrievalsLayout) {
  put_images(23);
  const EmbedReport report = embed("images");
  EXPECT_EQ(report.rows, 23);
  EXPECT_EQ(report.computed, 23);
  EXPECT_EQ(report.shards, 3);
  Strings names;
  for (const auto& [name, bytes] : files_of(folder_ / "out")) names.push_back(name);
  EXPECT_EQ(names, (Strings{"bad_images.jsonl", "embeddings.json", "img_emb/img_emb_0.npy",
                            "img_emb/img_emb_1.npy", "img_emb/img_emb_2.npy",
                            "metadata/metadata_0.parquet", "metadata/metadata_1.parquet",
                            "metadata/metadata_2.parquet", "shards/0.json", "shards/1.json",
                            "shards/2.json", "shards/lock", "shards/run.json"}));
  EXPECT_EQ(read_npy(folder_ / "out/img_emb/img_emb_2.npy").scalar_type(), at::kHalf);
  const ImageEmbeddings embeddings = ImageEmbeddings::load(folder_ / "out");
  EXPECT_EQ(embeddings.size(), 23);
  EXPECT_EQ(embeddings.tower(), model().fingerprint());
  for (const int64_t i : {0, 9, 10, 22}) {
    const int64_t row = *embeddings.row(fmt::format("{:03}.jpg", i));
    EXPECT_EQ(row, i);
    const at::Tensor actual = embeddings.rows(std::vector<int64_t>{row})[0];
    EXPECT_TRUE(at::allclose(actual, expected_row(static_cast<int>(i)), /*rtol=*/1e-3,
                             /*atol=*/1e-3));
  }
  EXPECT_FALSE(at::allclose(expected_row(0), expected_row(1), /*rtol=*/1e-3, /*atol=*/1e-2));
  const Json json = read_json(folder_ / "out/embeddings.json");
  EXPECT_EQ(json["image_tower"], model().fingerprint());
  EXPECT_EQ(json["precision"], "fp32");
  EXPECT_EQ(json["preprocessing"], model().preprocessing().to_json());
  EXPECT_EQ(json["images"], 23);
  EXPECT_EQ(json["shards"][2]["rows"], 3);
}

TEST_F(EmbedderTest, WritesCaptionsAndMetadataInTheOrderOfTheRows) {
  put_tar("0.tar", 0, 11);
  put_tar("1.tar", 11, 5);
  embed("{0..1}.tar", /*with_text=*/true);
  const ParquetFile metadata(folder_ / "out/metadata/metadata_1.parquet");
  EXPECT_EQ(metadata.columns(), (Strings{"image_path", "caption", "width"}));
  EXPECT_EQ(metadata.strings("image_path"), (Strings{"011", "012", "013", "014", "015"}));
  EXPECT_EQ(metadata.values("caption")[1], nullptr);
  EXPECT_EQ(metadata.values("width")[4], 15);
  const at::Tensor texts = read_npy(folder_ / "out/text_emb/text_emb_1.npy");
  const at::Tensor expected = TextModel::load(folder_ / "model")
                                  .encode({"a photo 11", "", "a photo 13", "a photo 14", ""})
                                  .to(at::kHalf);
  EXPECT_TRUE(at::allclose(texts, expected, /*rtol=*/0, /*atol=*/2e-3));
  EXPECT_EQ(ImageEmbeddings::load(folder_ / "out").row("012"), 12);
}

TEST_F(EmbedderTest, GivesTheSameBytesWithAnyNumberOfWorkers) {
  put_images(47, /*bad_every=*/5);
  embed("images");
  for (const int workers : {2, 7}) {
    options_.pipeline.workers = workers;
    options_.output = folder_ / fmt::format("out{}", workers);
    embed("images");
    EXPECT_EQ(files_of(options_.output), files_of(folder_ / "out")) << workers;
  }
}

TEST_F(EmbedderTest, CountsAndNamesBadImages) {
  put_images(23, /*bad_every=*/10);
  put(folder_ / "images/022.jpg", some_jpeg(22).substr(0, 200));
  const EmbedReport report = embed("images");
  EXPECT_EQ(report.rows, 20);
  ASSERT_EQ(report.bad.size(), 3u);
  EXPECT_EQ(report.bad[1].id, "019.jpg");
  EXPECT_EQ(ImageEmbeddings::load(folder_ / "out").size(), 20);
  const std::string list = read_file(folder_ / "out/bad_images.jsonl");
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 3);
  EXPECT_NE(list.find(R"({"key":"009.jpg","reason":")"), std::string::npos) << list;
  EXPECT_EQ(read_json(folder_ / "out/embeddings.json")["bad_images"], 3);
}

TEST_F(EmbedderTest, StopsWhenTooManyAreBad) {
  put_images(30, /*bad_every=*/3);
  options_.max_bad_fraction = 0.3;
  expect_error(ErrorKind::kData, {"10 of 30 images", "0.3", "029.jpg", "--max-bad-fraction"},
               [&] { embed("images"); });
  EXPECT_FALSE(fs::exists(folder_ / "out/embeddings.json"));
  expect_error(ErrorKind::kData, {"not complete"}, [&] { ImageEmbeddings::load(folder_ / "out"); });
  options_.max_bad_fraction = 0.34;
  EXPECT_EQ(embed("images").resumed, 3);
}

TEST_F(EmbedderTest, GivesUpEarlyWhenMostAreBad) {
  put_images(400, /*bad_every=*/1);
  source_options_.shard_size = 1000;
  expect_error(ErrorKind::kData, {"200 of 200 images"}, [&] { embed("images"); });
}

TEST_F(EmbedderTest, GoesOnBehindCompleteShards) {
  put_images(37, /*bad_every=*/9);
  embed("images");
  const auto whole = files_of(folder_ / "out");
  fs::remove(folder_ / "out/embeddings.json");
  fs::remove(folder_ / "out/shards/3.json");
  fs::remove(folder_ / "out/metadata/metadata_1.parquet");
  put(folder_ / "out/img_emb/img_emb_3.npy.tmp4711-0", "half");
  put(folder_ / "out/shards/3.json.tmp4711-0", "half");
  const EmbedReport report = embed("images");
  EXPECT_EQ(report.resumed, 2);
  EXPECT_EQ(report.rows, 33);
  EXPECT_EQ(report.bad.size(), 4u);
  EXPECT_LT(report.computed, 20);
  EXPECT_EQ(files_of(folder_ / "out"), whole);
  EXPECT_EQ(embed("images").computed, 0);
  EXPECT_EQ(files_of(folder_ / "out"), whole);
}

TEST_F(EmbedderTest, RefusesAFolderOfAnotherRun) {
  put_images(12);
  embed("images");
  const auto before = files_of(folder_ / "out");
  options_.pipeline.batch_size = 5;
  expect_error(ErrorKind::kUsage, {"another run", "\"batch_size\" is 4, here 5"},
               [&] { embed("images"); });
  options_.pipeline.batch_size = 4;
  put(folder_ / "images/100.jpg", some_jpeg(100));
  expect_error(ErrorKind::kUsage, {"another run", "\"input\""}, [&] { embed("images"); });
  fs::remove(folder_ / "images/100.jpg");
  expect_error(ErrorKind::kUsage, {"another run", "\"text_tower\""},
               [&] { embed("images", /*with_text=*/true); });
  EXPECT_EQ(files_of(folder_ / "out"), before);
  EXPECT_EQ(embed("images").resumed, 2);
}

TEST_F(EmbedderTest, RefusesIdsThatComeTwice) {
  put_tar("0.tar", 0, 6);
  put_tar("1.tar", 5, 6);
  expect_error(ErrorKind::kData, {"\"005\"", "1.tar", "--prefix-ids"},
               [&] { embed("{0..1}.tar"); });
  source_options_.prefix_ids = true;
  options_.output = folder_ / "prefixed";
  EXPECT_EQ(embed("{0..1}.tar").rows, 12);
  EXPECT_EQ(ImageEmbeddings::load(folder_ / "prefixed").row("1/005"), 6);
}

TEST_F(EmbedderTest, HandsOnWhatTheSourceThrows) {
  put_tar("0.tar", 0, 6);
  put(folder_ / "1.tar", std::string(2000, 'x'));
  expect_error(ErrorKind::kData, {"1.tar is not a tar"}, [&] { embed("{0..1}.tar"); });
  EXPECT_TRUE(fs::exists(folder_ / "out/shards/0.json"));
}

TEST_F(EmbedderTest, EmbedsTexts) {
  put(folder_ / "texts.tsv", "id\tcaption\n1\ta cat\n2\ta dog\n3\ttwo birds\n");
  options_.shard_size = 2;
  const TextModel texts = TextModel::load(folder_ / "model");
  EXPECT_EQ(embed_texts(texts, folder_ / "texts.tsv", options_, {}).rows, 3);
  EXPECT_TRUE(at::equal(read_npy(folder_ / "out/text_emb/text_emb_1.npy"),
                        texts.encode({"two birds"}).to(at::kHalf)));
  const ParquetFile metadata(folder_ / "out/metadata/metadata_0.parquet");
  EXPECT_EQ(metadata.strings("caption"), (Strings{"a cat", "a dog"}));
  EXPECT_EQ(metadata.strings("id"), (Strings{"1", "2"}));
  EXPECT_EQ(embed_texts(texts, folder_ / "texts.tsv", options_, {}).resumed, 2);
  put(folder_ / "texts.tsv", "a cat\na dog\n");
  expect_error(ErrorKind::kUsage, {"another run"},
               [&] { embed_texts(texts, folder_ / "texts.tsv", options_, {}); });
  put(folder_ / "texts.tsv", "\n");
  expect_error(ErrorKind::kData, {"holds no texts"},
               [&] { embed_texts(texts, folder_ / "texts.tsv", options_, {}); });
}

TEST_F(EmbedderTest, ChecksTheOptions) {
  const auto expect_bad = [&](const std::string& fragment) {
    expect_error(ErrorKind::kUsage, {fragment}, [&] { options_.validate(); });
    options_ = EmbedOptions{};
  };
  options_.pipeline.batch_size = 0;
  expect_bad("the batch size is 0");
  options_.pipeline.workers = 0;
  expect_bad("the number of workers is 0");
  options_.max_bad_fraction = 1.5;
  expect_bad("the largest share of bad images is 1.5");
  options_.shard_size = 0;
  expect_bad("the shard size is 0");
}

TEST_F(EmbedderTest, ComparesImageTowers) {
  put_images(3);
  embed("images");
  check_image_tower(folder_ / "out", folder_ / "model");
  const Json json = read_json(folder_ / "out/embeddings.json");
  Json other = json;
  other["image_tower"] = "0123456789abcdef";
  put(folder_ / "out/embeddings.json", other.dump());
  expect_error(ErrorKind::kData,
               {"0123456789abcdef", model().fingerprint(), (folder_ / "out").string(),
                (folder_ / "model").string(), "embed the images again"},
               [&] { check_image_tower(folder_ / "out", folder_ / "model"); });
  // Nothing to compare: a model without image tower, embeddings of another tool.
  check_image_tower(folder_ / "out",
                    fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip/text_only/model");
  other.erase("image_tower");
  put(folder_ / "out/embeddings.json", other.dump());
  check_image_tower(folder_ / "out", folder_ / "model");
}

}  // namespace
}  // namespace paraclip
