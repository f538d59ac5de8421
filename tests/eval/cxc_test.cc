#include "paraclip/eval/cxc.h"

#include "paraclip/eval/registry.h"
#include "tests/base/expect_error.h"
#include "tests/eval/fake_encoder.h"
#include "tests/eval/outcomes.h"
#include "tests/support.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <tuple>

namespace paraclip {
namespace {

using test::value;

// Ratings and scores of 60 queries with one to six pairs each; in those with many the scores mean
// nothing.
struct Ratings {
  std::vector<double> x, y;
  std::vector<int64_t> queries;

  explicit Ratings(int levels) {
    std::mt19937 random(7);
    for (int64_t query = 0; query < 60; ++query) {
      for (int64_t i = 0; i <= query % 6; ++i) {
        const double rating = static_cast<double>(random() % static_cast<unsigned>(levels));
        const double noise = static_cast<double>(random() % static_cast<unsigned>(levels));
        x.push_back(rating);
        y.push_back(query % 6 < 2 ? rating : noise);
        queries.push_back(query);
      }
    }
  }
};

// The same rule with other random numbers.
double other_sampling(const Ratings& ratings, int estimates) {
  std::mt19937 random(99);
  std::map<int64_t, std::vector<size_t>> pairs;
  for (size_t i = 0; i < ratings.queries.size(); ++i) pairs[ratings.queries[i]].push_back(i);
  std::vector<int64_t> order;
  for (const auto& [query, own] : pairs) order.push_back(query);
  double sum = 0;
  for (int estimate = 0; estimate < estimates; ++estimate) {
    std::shuffle(order.begin(), order.end(), random);
    std::vector<double> x, y;
    for (size_t i = 0; i < order.size() / 2; ++i) {
      const std::vector<size_t>& own = pairs[order[i]];
      const size_t pair = own[random() % own.size()];
      x.push_back(ratings.x[pair]);
      y.push_back(ratings.y[pair]);
    }
    sum += spearman(x, y);
  }
  return sum / estimates;
}

// One estimate here is off by about 15 points, the mean of a thousand by half a point.
TEST(SampledSpearman, AgreesWithTheRuleUnderOtherDraws) {
  for (const int levels : {1000, 4}) {
    const Ratings ratings(levels);
    const double found = sampled_spearman(ratings.x, ratings.y, ratings.queries);
    EXPECT_NEAR(found, other_sampling(ratings, 3000), 2);
    // Queries with many pairs must not weigh more: plainly over all pairs, nonsense prevails.
    EXPECT_GT(found, spearman(ratings.x, ratings.y) + 10);
  }
}

TEST(SampledSpearman, IsAFunctionOfTheSeed) {
  const Ratings ratings(1000);
  const auto sampled = [&](int64_t estimates, uint64_t seed) {
    return sampled_spearman(ratings.x, ratings.y, ratings.queries, estimates, seed);
  };
  EXPECT_EQ(sampled(10, 1), sampled(10, 1));
  EXPECT_NE(sampled(10, 1), sampled(10, 2));
  EXPECT_NEAR(sampled(2000, 1), sampled(2000, 2), 2);
  EXPECT_NEAR(sampled_spearman(ratings.x, ratings.x, ratings.queries), 100, 1e-9);
}

class CxcTest : public testing::Test {
 protected:
  void SetUp() override {
    data_.folder = folder_.path();
    std::string images, annotations;
    for (int i = 0; i < 8; ++i) {
      images +=
          fmt::format(R"({}{{"id": {}, "file_name": "COCO_val2014_{}.jpg"}})", i ? "," : "", i, i);
      annotations += fmt::format(R"({}{{"image_id": {}, "id": {}, "caption": "text {}"}})",
                                 i ? "," : "", i, 100 + i, i);
    }
    write("coco_captions_val2014/captions_val2014.json",
          fmt::format(R"({{"images": [{}], "annotations": [{}]}})", images, annotations));
    write("cxc/sts_test.csv",
          "caption1,caption2,agg_score,sampling_method\n"
          "COCO_val2014:sentid:100,COCO_val2014:sentid:101,4.5,c2c_isim\n"
          "COCO_val2014:sentid:100,COCO_val2014:sentid:102,1,c2c_isim\n"
          "COCO_val2014:sentid:103,COCO_val2014:sentid:100,3.25,c2c_cocaption\n"
          "COCO_val2014:sentid:104,COCO_val2014:sentid:105,0.0,c2c_isim\n"
          "COCO_val2014:sentid:106,COCO_val2014:sentid:107,2,c2c_isim\n");
    write("cxc/sits_test.csv",
          "caption,image,agg_score,sampling_method\n"
          "COCO_val2014:sentid:100,COCO_val2014_1.jpg,1,c2i_intrasim\n"
          "COCO_val2014:sentid:101,COCO_val2014_1.jpg,5,c2i_original\n"
          "COCO_val2014:sentid:102,COCO_val2014_2.jpg,4,c2i_original\n"
          "COCO_val2014:sentid:103,COCO_val2014_2.jpg,2,c2i_intrasim\n");
    write("cxc/sis_test.csv",
          "image1,image2,agg_score,sampling_method\n"
          "COCO_val2014_1.jpg,COCO_val2014_2.jpg,3,i2i_csim\n"
          "COCO_val2014_2.jpg,COCO_val2014_3.jpg,1,i2i_csim\n"
          "COCO_val2014_3.jpg,COCO_val2014_4.jpg,2,i2i_csim\n");
  }

  void write(const std::string& name, const std::string& content) {
    make_directories((folder_ / name).parent_path());
    write_file_atomic(folder_ / name, content);
  }

  test::TemporaryFolder folder_;
  BenchmarkData data_;
  test::FakeEncoder encoder_;
};

TEST_F(CxcTest, TextsNeedNoImages) {
  const LoadedBenchmark loaded = load_cxc(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  ASSERT_EQ(loaded.lacks.size(), 2U);
  EXPECT_EQ(loaded.lacks[0].part, "sits");
  EXPECT_EQ(loaded.lacks[1].part, "sis");
  EXPECT_NE(loaded.lacks[1].what.find("3 of 3 pairs"), std::string::npos);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(test::metric_names(outcome), (std::vector<std::string>{"sts.sampled_spearman"}));
  EXPECT_EQ(test::units(outcome, "sts.sampled_spearman"), 4U);
  EXPECT_EQ(test::count(*loaded.benchmark, "sts.pairs"), 5);

  // As rated, by the similarities of these texts.
  std::vector<double> ratings, scores;
  std::vector<int64_t> queries;
  for (const auto& [first, second, rating, query] :
       std::vector<std::tuple<int, int, double, int64_t>>{
           {0, 1, 4.5, 0}, {0, 2, 1, 0}, {3, 0, 3.25, 1}, {4, 5, 0, 2}, {6, 7, 2, 3}}) {
    ratings.push_back(rating);
    queries.push_back(query);
    scores.push_back(row_similarities(encoder_.encode_texts({fmt::format("text {}", first)}),
                                      encoder_.encode_texts({fmt::format("text {}", second)}))[0]);
  }
  EXPECT_NEAR(value(outcome, "sts.sampled_spearman"), sampled_spearman(ratings, scores, queries),
              1e-9);
  EXPECT_EQ(outcome.examples.size(), 5U);
  EXPECT_EQ(outcome.examples[2].fields.at("first"), "text 3");
  EXPECT_EQ(outcome.examples[2].fields.at("rating"), 3.25);
}

TEST_F(CxcTest, ImagesAreComparedWithTextsAndWithImages) {
  const ImageEmbeddings embeddings = test::make_embeddings(
      folder_ / "embeddings",
      {"COCO_val2014_1.jpg", "COCO_val2014_2.jpg", "COCO_val2014_3.jpg", "COCO_val2014_4.jpg"});
  data_.embeddings = &embeddings;
  // Ratings 1 5 4 2 of captions, similarities in the same order; of images the other way round.
  encoder_ = test::FakeEncoder(/*width=*/2);
  const auto at = [](double cosine) {
    return std::vector<float>{static_cast<float>(cosine),
                              static_cast<float>(std::sqrt(1 - cosine * cosine))};
  };
  encoder_.images = {{"COCO_val2014_1.jpg", at(1)}, {"COCO_val2014_2.jpg", at(1)}};
  encoder_.texts = {{"text 0", at(.1)}, {"text 1", at(.9)}, {"text 2", at(.8)}, {"text 3", at(.3)}};
  const LoadedBenchmark loaded = load_cxc(data_);
  EXPECT_TRUE(loaded.lacks.empty());
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(test::metric_names(outcome),
            (std::vector<std::string>{"sts.sampled_spearman", "sits.sampled_spearman",
                                      "sis.sampled_spearman"}));
  // Two of four different queries: always in the same order.
  EXPECT_NEAR(value(outcome, "sits.sampled_spearman"), 100, 1e-9);
}

// The statistic is the sampled correlation where every query counts once, and leaves queries out
// that are not drawn: without the one that is rated against its score, the rest agree.
TEST_F(CxcTest, QueriesAreDrawnWithAllTheirPairs) {
  encoder_ = test::FakeEncoder(/*width=*/2);
  write("cxc/sts_test.csv",
        "caption1,caption2,agg_score,sampling_method\n"
        "c:100,c:101,1,x\nc:102,c:101,2,x\nc:103,c:101,3,x\nc:104,c:101,0,x\nc:104,c:101,0.5,x\n");
  for (int i = 0; i < 8; ++i) {
    const float angle = 1.5F - static_cast<float>(i) / 10;
    encoder_.texts[fmt::format("text {}", i)] = {std::cos(angle), std::sin(angle)};
  }
  encoder_.texts["text 1"] = {1, 0};
  const Outcome outcome = load_cxc(data_).benchmark->run(encoder_);
  const Metric& metric = test::metric(outcome, "sts.sampled_spearman");
  const double all = metric.statistic(std::vector<double>{1, 1, 1, 1});
  const double without = metric.statistic(std::vector<double>{1, 1, 1, 0});
  EXPECT_EQ(all, value(outcome, "sts.sampled_spearman"));
  EXPECT_GT(without, all + 10);
}

TEST_F(CxcTest, PairsWithoutTextsAreLacking) {
  write("cxc/sts_test.csv",
        "caption1,caption2,agg_score,sampling_method\n"
        "c:100,c:101,1,x\nc:102,c:999,2,x\nc:103,c:104,3,x\n");
  LoadedBenchmark loaded = load_cxc(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks[0].what, "captions or images of 1 of 3 pairs");
  data_.partial = true;
  loaded = load_cxc(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(outcome.metrics[0].name, "sts.sampled_spearman (2 of 3 pairs)");
  EXPECT_EQ(outcome.examples[1].fields.at("second"), "text 4");
}

TEST_F(CxcTest, MissingFilesAreLacking) {
  data_.folder = folder_ / "nothing";
  const LoadedBenchmark loaded = load_cxc(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.size(), 3U);
  EXPECT_NE(loaded.lacks[0].remedy.find("paraclip data fetch cxc"), std::string::npos);
}

TEST_F(CxcTest, DamagedFilesAreRejected) {
  const auto expect_bad = [&](const std::string& rows,
                              std::initializer_list<std::string> fragments) {
    write("cxc/sts_test.csv", rows);
    test::expect_error(ErrorKind::kData, fragments, [&] { load_cxc(data_); });
  };
  const std::string header = "caption1,caption2,agg_score,sampling_method\n";
  expect_bad("caption1,caption2\n", {"sts_test.csv, line 1"});
  expect_bad(header, {"holds no pairs"});
  expect_bad(header + "c:100,c:101,high,x\n", {"line 2", "\"high\""});
  expect_bad(header + "c:100,c:101,nan,x\n", {"line 2", "nan"});
  expect_bad(header + "c:100,c:101,1.5x,x\n", {"line 2", "1.5x"});
  expect_bad(header + "c:100,none,1,x\n", {"\"none\"", "sentid"});
  expect_bad(header + "c:100,,1,x\n", {"line 2", "caption2 is blank"});
}

}  // namespace
}  // namespace paraclip
