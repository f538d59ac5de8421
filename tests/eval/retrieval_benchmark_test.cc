#include "paraclip/eval/retrieval_benchmark.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/io/npy.h"
#include "tests/support.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>

namespace paraclip {
namespace {

// Six images on the axes of a 6-dimensional space, and an encoder that knows a few texts.
class RetrievalBenchmarkTest : public testing::Test {
 protected:
  void SetUp() override {
    make_directories(folder_ / "embeddings/img_emb");
    write_npy(folder_ / "embeddings/img_emb/img_emb_0.npy", at::eye(6));
    write("embeddings/ids.txt", "a\nb\nc\nd\ne\nf\n");
    write("captions.tsv",
          "image_id\tcaption\n"
          "b\tmostly b\nb\tmostly c\nc\tmostly c\nd\tmostly d\n");
    write("pairs.tsv", "query\tparaphrase\tsource\nmostly b\tmostly c\tx\nmostly d\tmostly d\ty\n");
    options_.image_embeddings = folder_ / "embeddings";
    options_.captions = folder_ / "captions.tsv";
    options_.pairs = folder_ / "pairs.tsv";
    options_.k = 2;
    options_.recall_k = {2, 1};
  }

  void write(const std::string& name, const std::string& content) {
    write_file_atomic(folder_ / name, content);
  }

  TextEncoder encoder() {
    return [this](const std::vector<std::string>& texts) {
      // Scores with the images a to f.
      const std::map<std::string, std::vector<float>> known{
          {"mostly b", {.5F, .8F, .3F, .1F, .0F, .0F}},
          {"mostly c", {.0F, .3F, .9F, .2F, .1F, .0F}},
          {"mostly d", {.4F, .3F, .2F, .6F, .1F, .5F}}};
      encoded_.insert(encoded_.end(), texts.begin(), texts.end());
      std::vector<at::Tensor> rows;
      for (const std::string& text : texts) rows.push_back(at::tensor(known.at(text)));
      return at::stack(rows);
    };
  }

  void expect_failure(ErrorKind kind, const std::string& part) {
    try {
      RetrievalBenchmark::load(options_);
      ADD_FAILURE() << "no error; expected: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }

  test::TemporaryFolder folder_;
  RetrievalOptions options_;
  std::vector<std::string> encoded_;
};

TEST_F(RetrievalBenchmarkTest, MeasuresOverTheImagesOfTheCaptions) {
  const RetrievalReport report = RetrievalBenchmark::load(options_).run(encoder());
  // The pool is b, c, d. Texts see: "mostly b" b c d, "mostly c" c b d, "mostly d" d b c.
  EXPECT_EQ(report.caption_ranks, (std::vector<Rank>{1, 2, 1, 1}));
  // Images see the four captions: b and d have their own first; c sees captions 1 and 2 tie, one
  // text, which b shares with it.
  EXPECT_EQ(report.image_ranks, (std::vector<Rank>{1, 1, 1}));
  std::vector<std::string> names;
  for (const auto& [name, value] : report.metrics) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"t2i_recall@1", "t2i_recall@2", "i2t_recall@1",
                                             "i2t_recall@2", "ao@2", "js@2"}));
  EXPECT_EQ(report.metrics.at("t2i_recall@1"), 75);
  EXPECT_EQ(report.metrics.at("t2i_recall@2"), 100);
  EXPECT_EQ(report.metrics.at("i2t_recall@1"), 100);
  // Pair 1: (b, c) and (c, b) give AO (0 + 1) / 2, JS 1; pair 2 is one text.
  EXPECT_EQ(report.metrics.at("ao@2"), 75);
  EXPECT_EQ(report.metrics.at("js@2"), 100);
  EXPECT_EQ(report.counts.at("images"), 3);
  EXPECT_EQ(report.counts.at("captions"), 4);
  EXPECT_EQ(report.counts.at("captions_left_out"), 0);
  EXPECT_EQ(report.counts.at("pairs"), 2);
}

TEST_F(RetrievalBenchmarkTest, EncodesEachTextOnce) {
  RetrievalBenchmark::load(options_).run(encoder());
  EXPECT_EQ(encoded_, (std::vector<std::string>{"mostly b", "mostly c", "mostly d"}));
}

TEST_F(RetrievalBenchmarkTest, AListOfImagesIsThePool) {
  write("list.txt", "f\na\nb\n");
  options_.images = folder_ / "list.txt";
  const RetrievalReport report = RetrievalBenchmark::load(options_).run(encoder());
  // f and a are distractors: no caption is theirs, and they are not queries.
  EXPECT_EQ(report.caption_ranks, (std::vector<Rank>{1, 1}));
  EXPECT_EQ(report.image_ranks, (std::vector<Rank>{1}));
  EXPECT_EQ(report.counts.at("images"), 3);
  EXPECT_EQ(report.counts.at("images_with_captions"), 1);
  EXPECT_EQ(report.counts.at("captions_left_out"), 2);
  // Over f, a, b: "mostly b" b a, "mostly c" b then f and a tie at 0: f stands first in the list.
  EXPECT_EQ(report.pair_values[0].average_overlap, 0.75);
}

TEST_F(RetrievalBenchmarkTest, PairsAloneSearchAllImages) {
  options_.captions.clear();
  const RetrievalReport report = RetrievalBenchmark::load(options_).run(encoder());
  EXPECT_EQ(report.counts.at("images"), 6);
  EXPECT_EQ(report.metrics.size(), 2U);
  // Over all images "mostly b" sees b a and "mostly c" sees c b.
  EXPECT_DOUBLE_EQ(report.pair_values[0].average_overlap, 0.25);
  EXPECT_DOUBLE_EQ(report.pair_values[0].jaccard, 1.0 / 3);
}

TEST_F(RetrievalBenchmarkTest, CaptionsAlone) {
  options_.pairs.clear();
  const RetrievalReport report = RetrievalBenchmark::load(options_).run(encoder());
  EXPECT_EQ(report.metrics.size(), 4U);
  const Json json = report.to_json();
  EXPECT_EQ(json.at("metrics").at("t2i_recall@1"), 75);
  EXPECT_EQ(json.at("metrics").begin().key(), "t2i_recall@1");
  EXPECT_EQ(json.at("counts").at("captions"), 4);
  EXPECT_TRUE(json.at("protocol").at("pool").get<std::string>().find("captions.tsv") !=
              std::string::npos);
}

TEST_F(RetrievalBenchmarkTest, WritesEveryExample) {
  options_.recall_k = {1};
  const RetrievalBenchmark benchmark = RetrievalBenchmark::load(options_);
  benchmark.write_examples(benchmark.run(encoder()), folder_ / "examples.jsonl");
  EXPECT_EQ(read_file(folder_ / "examples.jsonl"),
            R"({"task":"t2i","caption":"mostly b","image_id":"b","rank":1}
{"task":"t2i","caption":"mostly c","image_id":"b","rank":2}
{"task":"t2i","caption":"mostly c","image_id":"c","rank":1}
{"task":"t2i","caption":"mostly d","image_id":"d","rank":1}
{"task":"i2t","image_id":"b","rank":1}
{"task":"i2t","image_id":"c","rank":1}
{"task":"i2t","image_id":"d","rank":1}
{"task":"pairs","query":"mostly b","paraphrase":"mostly c","ao@2":50.0,"js@2":100.0}
{"task":"pairs","query":"mostly d","paraphrase":"mostly d","ao@2":100.0,"js@2":100.0}
)");
}

TEST_F(RetrievalBenchmarkTest, UnknownImagesAreCountedAndNamed) {
  write("list.txt", "a\nx1\nx2\nx3\nb\nx4\nx5\nx6\n");
  options_.images = folder_ / "list.txt";
  expect_failure(ErrorKind::kData, "list.txt: 6 of 8 images have no embedding");
  expect_failure(ErrorKind::kData, "x1, x2, x3, x4, x5, ...");
  options_.images.clear();
  write("captions.tsv", "image_id\tcaption\nb\tone\nzz\ttwo\n");
  expect_failure(ErrorKind::kData, "captions.tsv: 1 of 2 images have no embedding");
}

TEST_F(RetrievalBenchmarkTest, BadFilesAreRejected) {
  write("list.txt", "a\nb\na\n");
  options_.images = folder_ / "list.txt";
  expect_failure(ErrorKind::kData, "lists the image 'a' twice");
  write("list.txt", "\n");
  expect_failure(ErrorKind::kData, "lists no images");
  write("list.txt", "e\nf\n");
  expect_failure(ErrorKind::kData, "none of the 4 captions");
  options_.images.clear();
  write("captions.tsv", "image_id\tcaption\n");
  expect_failure(ErrorKind::kData, "holds no captions");
  write("captions.tsv", "image_id\tcaption\nb\tone\nb\t  \n");
  expect_failure(ErrorKind::kData, "line 3");
  options_.captions.clear();
  write("pairs.tsv", "query\tparaphrase\n");
  expect_failure(ErrorKind::kData, "holds no pairs");
  write("pairs.tsv", "query\tparaphrase\n \tone\n");
  expect_failure(ErrorKind::kData, "column query is blank");
}

TEST_F(RetrievalBenchmarkTest, BadOptionsAreRejected) {
  options_.k = 4;
  expect_failure(ErrorKind::kUsage, "top 4 of 3 images");
  options_.k = 0;
  expect_failure(ErrorKind::kUsage, "AO@k");
  options_.k = 1;
  options_.recall_k = {1, 4};
  expect_failure(ErrorKind::kUsage, "top 4 of 3 images");
  options_.recall_k = {0};
  expect_failure(ErrorKind::kUsage, "recall@k");
  options_.captions.clear();
  options_.pairs.clear();
  expect_failure(ErrorKind::kUsage, "captions or pairs");
}

TEST_F(RetrievalBenchmarkTest, AnEncoderOfAnotherWidthIsRejected) {
  const RetrievalBenchmark benchmark = RetrievalBenchmark::load(options_);
  try {
    benchmark.run([](const auto& texts) {
      return at::ones({static_cast<int64_t>(texts.size()), 5});
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("[3, 5]"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace paraclip
