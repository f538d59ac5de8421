#include "paraclip/eval/pool_benchmark.h"

#include "paraclip/eval/bootstrap.h"
#include "tests/base/expect_error.h"
#include "tests/eval/brute_force.h"
#include "tests/eval/fake_encoder.h"
#include "tests/eval/outcomes.h"
#include "tests/support.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace paraclip {
namespace {

using test::value;

constexpr const char* kAll = "all images are in the embeddings";

class PoolBenchmarkTest : public testing::Test {
 protected:
  // Loads `task` with embeddings of the images `at_hand`, or of all.
  LoadedBenchmark load(PoolTask task, std::vector<std::string> at_hand = {kAll}) {
    if (at_hand == std::vector<std::string>{kAll}) {
      at_hand.clear();
      for (const EvalImage& image : task.images) at_hand.push_back(image.id);
    }
    folder_.emplace();
    embeddings_.emplace(test::make_embeddings(folder_->path(), at_hand));
    data_.embeddings = &*embeddings_;
    return make_pool_benchmark(data_, std::move(task));
  }
  Outcome run(PoolTask task, Encoder& encoder) {
    return load(std::move(task)).benchmark->run(encoder);
  }

  std::optional<test::TemporaryFolder> folder_;
  std::optional<ImageEmbeddings> embeddings_;
  BenchmarkData data_;
};

// Images with two to four captions, some of which are shared, and distractors; pairs in groups.
PoolTask large_task() {
  PoolTask task;
  for (int i = 0; i < 40; ++i) task.images.push_back({"image " + std::to_string(i), {}, {}});
  for (int64_t image = 35; image >= 0; image -= 1 + image % 2) {
    for (int64_t i = 0; i < 2 + image % 3; ++i)
      task.captions.push_back({"caption " + std::to_string((image * 3 + i) % 60), image});
  }
  QueryPairSet pairs{"", "", {}};
  for (int i = 0; i < 30; ++i) {
    pairs.pairs.push_back({"query " + std::to_string(i % 12), "other " + std::to_string(i),
                           /*group=*/i / 4});
  }
  task.pair_sets = {pairs, {"second", "", {pairs.pairs[0], pairs.pairs[29]}}};
  return task;
}

// The definitions, from whole rankings.
class BruteForce {
 public:
  BruteForce(const PoolTask& task, Encoder& encoder)
      : task_(task), images_(encoder.encode_images(task.images)) {
    std::vector<std::string> texts;
    for (const PoolCaption& caption : task.captions) texts.push_back(caption.text);
    const at::Tensor captions = encoder.encode_texts(texts);
    to_images_ = test::brute_force_rankings(captions, images_);
    to_captions_ = test::brute_force_rankings(images_, captions);
  }

  double t2i_recall(int64_t k) const {
    double hits = 0;
    for (const int64_t rank : t2i_ranks()) hits += rank <= k ? 1 : 0;
    return 100 * hits / static_cast<double>(task_.captions.size());
  }
  double i2t_recall(int64_t k) const {
    const std::vector<int64_t> ranks = i2t_ranks();
    double hits = 0;
    for (const int64_t rank : ranks) hits += rank <= k ? 1 : 0;
    return 100 * hits / static_cast<double>(ranks.size());
  }
  std::vector<int64_t> t2i_ranks() const {
    std::vector<int64_t> ranks;
    for (size_t i = 0; i < task_.captions.size(); ++i) {
      const auto& list = to_images_[i];
      ranks.push_back(std::find(list.begin(), list.end(), task_.captions[i].image) - list.begin() +
                      1);
    }
    return ranks;
  }
  // Over images with captions; a text of theirs is right in any of its rows.
  std::vector<int64_t> i2t_ranks() const {
    std::vector<int64_t> ranks;
    for (size_t image = 0; image < task_.images.size(); ++image) {
      std::set<std::string> own;
      for (const PoolCaption& caption : task_.captions) {
        if (caption.image == static_cast<int64_t>(image)) own.insert(caption.text);
      }
      if (own.empty()) continue;
      const auto& list = to_captions_[image];
      const auto hit = std::find_if(list.begin(), list.end(), [&](int64_t row) {
        return own.contains(task_.captions[static_cast<size_t>(row)].text);
      });
      ranks.push_back(hit - list.begin() + 1);
    }
    return ranks;
  }
  static double median(std::vector<int64_t> ranks) {
    std::sort(ranks.begin(), ranks.end());
    const size_t n = ranks.size();
    return static_cast<double>(ranks[(n - 1) / 2] + ranks[n / 2]) / 2;
  }
  const at::Tensor& images() const { return images_; }

 private:
  const PoolTask& task_;
  at::Tensor images_;
  std::vector<std::vector<int64_t>> to_images_, to_captions_;
};

// Mean AO@k and JS@k of pairs, in percent, on sets.
std::pair<double, double> brute_force_stability(const std::vector<QueryPair>& pairs,
                                                const at::Tensor& images, Encoder& encoder,
                                                size_t k) {
  double overlap = 0, jaccard = 0;
  for (const QueryPair& pair : pairs) {
    const auto lists =
        test::brute_force_rankings(encoder.encode_texts({pair.query, pair.paraphrase}), images);
    double common = 0;
    for (size_t depth = 1; depth <= k; ++depth) {
      std::set<int64_t> first(lists[0].begin(), lists[0].begin() + static_cast<ptrdiff_t>(depth));
      common = 0;
      for (size_t i = 0; i < depth; ++i) common += first.contains(lists[1][i]) ? 1 : 0;
      overlap += common / static_cast<double>(depth) / static_cast<double>(k);
    }
    jaccard += common / (2 * static_cast<double>(k) - common);
  }
  const auto n = static_cast<double>(pairs.size());
  return {100 * overlap / n, 100 * jaccard / n};
}

TEST_F(PoolBenchmarkTest, EqualsBruteForceOnRandomAndOnTiedVectors) {
  for (const int levels : {1 << 20, 2}) {
    test::FakeEncoder encoder(/*width=*/4);
    encoder.levels = levels;
    const PoolTask task = large_task();
    const Outcome outcome = run(task, encoder);
    const BruteForce expected(task, encoder);
    for (const int64_t k : {1, 5, 10}) {
      EXPECT_DOUBLE_EQ(value(outcome, fmt::format("t2i_recall@{}", k)), expected.t2i_recall(k));
      EXPECT_DOUBLE_EQ(value(outcome, fmt::format("i2t_recall@{}", k)), expected.i2t_recall(k));
    }
    EXPECT_EQ(value(outcome, "t2i_median_rank"), BruteForce::median(expected.t2i_ranks()));
    EXPECT_EQ(value(outcome, "i2t_median_rank"), BruteForce::median(expected.i2t_ranks()));
    for (const QueryPairSet& set : task.pair_sets) {
      const std::string prefix = set.name.empty() ? "" : set.name + ".";
      const auto [overlap, jaccard] =
          brute_force_stability(set.pairs, expected.images(), encoder, 10);
      EXPECT_NEAR(value(outcome, prefix + "ao@10"), overlap, 1e-9);
      EXPECT_NEAR(value(outcome, prefix + "js@10"), jaccard, 1e-9);
    }
  }
}

// Three images on the axes. Captions see (scores before they are made unit):
//   a: (.2 .9 .3) (.9 .1 .2) (.5 .5 .1)   b: (.5 .5 .1) (.1 .9 .1)   c: (0 0 1)
class HandMadePool : public PoolBenchmarkTest {
 protected:
  void SetUp() override {
    data_.recall_k = {1};
    data_.k = 2;
    task_.images = {{"a", {}, {}}, {"b", {}, {}}, {"c", {}, {}}};
    task_.captions = {{"a first", 0}, {"a second", 0}, {"a third", 0},
                      {"b first", 1}, {"b second", 1}, {"c first", 2}};
    task_.pair_sets = {
        {"", "", {{"query", "paraphrase", 0}, {"query", "query", 0}, {"query", "constant", 1}}}};
    encoder_.images = {{"a", {1, 0, 0}}, {"b", {0, 1, 0}}, {"c", {0, 0, 1}}};
    encoder_.texts = {
        {"a first", {.2F, .9F, .3F}}, {"a second", {.9F, .1F, .2F}},   {"a third", {.5F, .5F, .1F}},
        {"b first", {.5F, .5F, .1F}}, {"b second", {.1F, .9F, .1F}},   {"c first", {0, 0, 1}},
        {"query", {.9F, .5F, .1F}},   {"paraphrase", {.9F, .1F, .5F}}, {"constant", {1, 1, 1}}};
  }

  PoolTask task_;
  test::FakeEncoder encoder_{/*width=*/3};
};

TEST_F(HandMadePool, EveryCaptionIsAQueryAndATieIsLostToTheEarlierImage) {
  // Ranks 3 1 1, 2 1, 1: the caption of b that ties with a comes second.
  const double ours = value(run(task_, encoder_), "t2i_recall@1");
  EXPECT_DOUBLE_EQ(ours, 100 * 4 / 6.0);
  const double first_captions_only = 100 * 1 / 3.0;
  const double ties_right = 100 * 5 / 6.0;
  const double mean_of_images = 100 * (2 / 3.0 + 1 / 2.0 + 1) / 3;
  for (const double mistake : {first_captions_only, ties_right, mean_of_images})
    EXPECT_GT(std::abs(ours - mistake), 1);
  EXPECT_EQ(value(run(task_, encoder_), "t2i_median_rank"), 1);
}

TEST_F(HandMadePool, AnyCaptionOfAnImageIsAHit) {
  // Each image has a caption that stands first; a's first caption stands fourth and b's too.
  const double ours = value(run(task_, encoder_), "i2t_recall@1");
  EXPECT_DOUBLE_EQ(ours, 100);
  const double first_captions_only = 100 / 3.0, all_captions = 100 / 3.0;
  EXPECT_NE(ours, first_captions_only);
  EXPECT_NE(ours, all_captions);
  // Without its second caption a is found by the third, which ties with an earlier one of b's.
  PoolTask other = task_;
  other.captions = {{"b first", 1}, {"a third", 0}, {"b second", 1}, {"c first", 2}};
  const Outcome tied = run(other, encoder_);
  EXPECT_DOUBLE_EQ(value(tied, "i2t_recall@1"), 100 * 2 / 3.0);
  EXPECT_EQ(value(tied, "i2t_median_rank"), 1);
}

TEST_F(HandMadePool, ImagesAreDrawnWithAllTheirCaptions) {
  const Outcome outcome = run(task_, encoder_);
  EXPECT_EQ(test::units(outcome, "t2i_recall@1"), 3U);
  EXPECT_EQ(test::units(outcome, "i2t_recall@1"), 3U);
  // a drawn twice, b not, c once: 2 of 3 captions twice, and 1 of 1.
  const std::vector<double> weights = {2, 0, 1};
  EXPECT_DOUBLE_EQ(test::metric(outcome, "t2i_recall@1").statistic(weights), 100 * 5 / 7.0);
}

// All captions of an image fare alike here. Were captions the units, the interval would be as
// narrow as that of five times as many independent images.
TEST_F(PoolBenchmarkTest, IntervalsAreThoseOfImages) {
  data_.recall_k = {1};
  PoolTask task;
  test::FakeEncoder encoder(/*width=*/2);
  for (int64_t image = 0; image < 40; ++image) {
    task.images.push_back({std::to_string(image), {}, {}});
    const float angle = static_cast<float>(image) / 30;
    encoder.images[std::to_string(image)] = {std::cos(angle), std::sin(angle)};
    for (int64_t i = 0; i < 5; ++i) {
      const std::string text = fmt::format("{} {}", image, i);
      const float seen = static_cast<float>(image - image % 2) / 30;
      encoder.texts[text] = {std::cos(seen), std::sin(seen)};
      task.captions.push_back({text, image});
    }
  }
  const Outcome outcome = run(task, encoder);
  const Metric& recall = test::metric(outcome, "t2i_recall@1");
  EXPECT_EQ(value(outcome, "t2i_recall@1"), 50);
  const auto width = [](const Statistic& statistic, int64_t units) {
    const auto values = bootstrap({&statistic, 1}, {&units, 1}, {.resamples = 500})[0];
    const Interval interval = percentile_interval(50, values, 0.95);
    return interval.high - interval.low;
  };
  std::vector<double> captions;
  for (int i = 0; i < 200; ++i) captions.push_back(i / 5 % 2 == 0 ? 100 : 0);
  const double ours = width(recall.statistic, 40), wrong = width(mean_statistic(captions), 200);
  EXPECT_GT(ours, 1.7 * wrong);
}

TEST_F(HandMadePool, StabilityIsTheMeanOfTheDefinitions) {
  // Lists (a b) and (a c); (a b) twice; (a b) and, all alike, (a b) by their rows.
  const Outcome outcome = run(task_, encoder_);
  EXPECT_DOUBLE_EQ(value(outcome, "ao@2"), 100 * ((1 + 0.5) / 2 + 1 + 1) / 3);
  EXPECT_DOUBLE_EQ(value(outcome, "js@2"), 100 * (1 / 3.0 + 1 + 1) / 3);
  const Json& first = outcome.examples.at(9).measured;
  EXPECT_DOUBLE_EQ(first.at("ao@2").get<double>(), 75);
  const double without_depth = 100 * (1 + 1) / 2.0, over_unions = 100 * (1 + 1 / 3.0) / 2;
  EXPECT_NE(first.at("ao@2").get<double>(), without_depth);
  EXPECT_GT(std::abs(first.at("ao@2").get<double>() - over_unions), 1);
}

TEST_F(HandMadePool, TiesShareTheirRanksInTheRankCorrelation) {
  // Places (1 2 3) and (1 3 2); equal; a query that scores all alike correlates with nothing.
  const Outcome outcome = run(task_, encoder_);
  EXPECT_NEAR(value(outcome, "rank_correlation"), (50 + 100 + 0) / 3.0, 1e-9);
  const double ties_by_row = (50 + 100 + 100) / 3.0;
  EXPECT_GT(std::abs(value(outcome, "rank_correlation") - ties_by_row), 1);
}

TEST_F(HandMadePool, GroupsOfPairsAreDrawnTogether) {
  const Outcome outcome = run(task_, encoder_);
  EXPECT_EQ(test::units(outcome, "ao@2"), 2U);
  EXPECT_DOUBLE_EQ(test::metric(outcome, "ao@2").statistic(std::vector<double>{2, 0}), 87.5);
}

TEST_F(HandMadePool, NamesHeadlinesAndChance) {
  task_.caption_name = "val";
  task_.pair_sets.push_back({"human", "", {{"query", "a first", 0}}});
  const Outcome outcome = run(task_, encoder_);
  std::string headlines;
  for (const Metric& metric : outcome.metrics)
    headlines += metric.headline ? metric.name + " " : "";
  EXPECT_EQ(headlines, "val.t2i_recall@1 val.i2t_recall@1 ao@2 js@2 ");
  EXPECT_NEAR(test::metric(outcome, "val.t2i_recall@1").chance, 100 / 3.0, 1e-9);
  // Of six captions three, two and one are right.
  EXPECT_NEAR(test::metric(outcome, "val.i2t_recall@1").chance, 100 * (3 + 2 + 1) / 6.0 / 3, 1e-9);
  EXPECT_FALSE(test::metric(outcome, "val.t2i_median_rank").higher_is_better);
  EXPECT_EQ(test::value(outcome, "human.ao@2"), 25);
  EXPECT_EQ(outcome.examples.size(), 6U + 3U + 3U + 1U);
  EXPECT_EQ(outcome.examples[0].part, "val.t2i");
  EXPECT_EQ(outcome.examples[0].score, -3);
  EXPECT_EQ(outcome.examples[0].measured.at("rank"), 3);
  EXPECT_EQ(outcome.examples[6].fields.at("image_id"), "a");
}

TEST_F(HandMadePool, MissingImagesAreLacking) {
  task_.image_remedy = "get them";
  const LoadedBenchmark loaded = load(task_, {"a", "c"});
  EXPECT_EQ(loaded.benchmark, nullptr);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  EXPECT_EQ(loaded.lacks[0].what, "1 of 3 images, such as b");
  EXPECT_EQ(loaded.lacks[0].remedy, "get them");
}

TEST_F(HandMadePool, APartSaysThatItIsOne) {
  data_.partial = true;
  task_.pair_sets[0].pairs[0].image = 1;
  task_.pair_sets[0].pairs[2].image = 2;
  const LoadedBenchmark loaded = load(task_, {"a", "c"});
  ASSERT_NE(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.size(), 1U);
  EXPECT_EQ(test::count(*loaded.benchmark, "images"), 2);
  EXPECT_EQ(test::count(*loaded.benchmark, "captions"), 4);
  EXPECT_EQ(test::count(*loaded.benchmark, "pairs"), 2);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  for (const std::string& name : test::metric_names(outcome))
    EXPECT_TRUE(name.ends_with(" (2 of 3 images)")) << name;
  for (const Example& example : outcome.examples)
    EXPECT_TRUE(example.part.ends_with(" (2 of 3 images)")) << example.part;
  // Over a and c the first caption of a ranks second, the others first.
  EXPECT_DOUBLE_EQ(value(outcome, "t2i_recall@1 (2 of 3 images)"), 75);
}

TEST_F(HandMadePool, TooFewImagesForTheDepth) {
  data_.partial = true;
  EXPECT_EQ(load(task_, {"a"}).benchmark, nullptr);
  data_.k = 4;
  test::expect_error(ErrorKind::kUsage, {"top 4 of 3 images"}, [&] { load(task_); });
}

}  // namespace
}  // namespace paraclip
