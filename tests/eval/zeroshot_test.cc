#include "paraclip/eval/zeroshot.h"

#include "paraclip/eval/registry.h"
#include "tests/base/expect_error.h"
#include "tests/eval/brute_force.h"
#include "tests/eval/fake_encoder.h"
#include "tests/eval/outcomes.h"
#include "tests/support.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace paraclip {
namespace {

using test::value;

class ZeroShotTest : public testing::Test {
 protected:
  void SetUp() override {
    data_.folder = folder_.path();
    data_.image_tower = true;
  }

  void write(const std::string& name, const std::string& content) {
    make_directories((folder_ / name).parent_path());
    write_file_atomic(folder_ / name, content);
  }
  void write_set(const std::string& name, const std::string& classes, const std::string& templates,
                 const std::vector<std::string>& images) {
    write("zeroshot/" + name + "/classnames.txt", classes);
    write("zeroshot/" + name + "/templates.txt", templates);
    for (const std::string& image : images) write("zeroshot/" + name + "/images/" + image, "x");
  }
  Outcome run() { return load_zeroshot(data_).benchmark->run(encoder_); }

  test::TemporaryFolder folder_;
  BenchmarkData data_;
  test::FakeEncoder encoder_{/*width=*/3};
};

TEST(ZeroShotPrompts, TheNameGoesWhereverTheTemplateSays) {
  const ZeroShotPrompts prompts{{"cat", "dog"}, {"a {}.", "{c}, {c} and a {}", "{} {}"}};
  EXPECT_EQ(prompts.of(1), (std::vector<std::string>{"a dog.", "dog, dog and a {}", "dog dog"}));
}

// The definition, one class at a time.
TEST(ClassVectors, AreUnitMeansOfUnitVectors) {
  test::FakeEncoder encoder(/*width=*/5);
  ZeroShotPrompts prompts{{}, {"a {}.", "the {}", "many {}"}};
  for (int i = 0; i < 2000; ++i) prompts.classes.push_back(fmt::format("class {}", i));
  const at::Tensor found = class_vectors(prompts, encoder);
  ASSERT_EQ(found.sizes(), at::IntArrayRef({2000, 5}));
  for (const int64_t label : {0, 1, 1364, 1365, 1999}) {
    const at::Tensor mean =
        encoder.encode_texts(prompts.of(static_cast<size_t>(label))).to(at::kDouble).mean(0);
    EXPECT_TRUE(at::allclose(found[label].to(at::kDouble), mean / mean.norm(), /*rtol=*/0, 1e-6));
  }
}

TEST_F(ZeroShotTest, EqualsBruteForceOnRandomAndOnTiedVectors) {
  std::string classes;
  std::vector<std::string> images;
  for (int i = 0; i < 9; ++i) {
    classes += fmt::format("class {}\n", i);
    for (int j = 0; j <= i; ++j) images.push_back(fmt::format("class {}/{}.jpg", i, j));
  }
  write_set("nine", classes, "a {}\n", images);
  for (const int levels : {1 << 20, 2}) {
    encoder_.levels = levels;
    const Outcome outcome = run();
    std::vector<std::string> prompts;
    for (int i = 0; i < 9; ++i) prompts.push_back(fmt::format("a class {}", i));
    const at::Tensor text = encoder_.encode_texts(prompts);
    double top1 = 0, top5 = 0, macro = 0;
    for (size_t i = 0; i < images.size(); ++i) {
      const int label = images[i][6] - '0';
      const std::vector<EvalImage> image = {{images[i], {}, {}}};
      const auto ranking = test::brute_force_rankings(encoder_.encode_images(image), text)[0];
      const auto rank = std::find(ranking.begin(), ranking.end(), label) - ranking.begin();
      top1 += rank < 1 ? 100 : 0;
      top5 += rank < 5 ? 100 : 0;
      macro += (rank < 1 ? 100.0 : 0.0) / (label + 1) / 9;
    }
    EXPECT_NEAR(value(outcome, "nine.top1"), top1 / 45, 1e-9);
    EXPECT_NEAR(value(outcome, "nine.top5"), top5 / 45, 1e-9);
    EXPECT_NEAR(value(outcome, "nine.mean_per_class"), macro, 1e-9);
  }
}

// Cats are three, the dog one: averaging images is not averaging classes.
TEST_F(ZeroShotTest, TopOneIsOverImagesAndTheMeanOverClasses) {
  write_set("pets", "cat\ndog\n", "a {}\n", {"cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "dog/1.jpg"});
  encoder_.texts = {{"a cat", {1, 0, 0}}, {"a dog", {0, 1, 0}}};
  encoder_.images = {{"cat/1.jpg", {1, 0, 0}},
                     {"cat/2.jpg", {1, 0, 0}},
                     {"cat/3.jpg", {1, 0, 0}},
                     {"dog/1.jpg", {1, 0, 0}}};
  const Outcome outcome = run();
  EXPECT_EQ(test::metric_names(outcome),
            (std::vector<std::string>{"pets.top1", "pets.mean_per_class"}));
  EXPECT_EQ(value(outcome, "pets.top1"), 75);
  EXPECT_EQ(value(outcome, "pets.mean_per_class"), 50);
  EXPECT_EQ(outcome.samples[0].strata, (std::vector<int64_t>{3, 1}));
  EXPECT_TRUE(outcome.metrics[0].headline);
  EXPECT_EQ(outcome.metrics[0].chance, 50);
}

// An image between two classes is the earlier one's: of an encoder that maps all to one point, only
// the first class profits.
TEST_F(ZeroShotTest, ATieIsLostToTheEarlierClass) {
  write_set("pets", "cat\ndog\ncow\n", "a {}\n", {"0/1.jpg", "1/1.jpg", "2/1.jpg"});
  for (const char* text : {"a cat", "a dog", "a cow"}) encoder_.texts[text] = {1, 1, 1};
  const double ours = value(run(), "pets.top1"), ties_right = 100;
  EXPECT_DOUBLE_EQ(ours, 100 / 3.0);
  EXPECT_NE(ours, ties_right);
}

// The cat's prompts are (3 0 0) and (0 1 0) before they are made unit, the dog's are alike.
TEST_F(ZeroShotTest, PromptsAndTheirMeanAreMadeUnit) {
  write_set("pets", "cat\ndog\n", "a {}\nthe {}\n", {"cat/1.jpg", "cat/2.jpg", "dog/1.jpg"});
  encoder_.texts = {{"a cat", {3, 0, 0}},
                    {"the cat", {0, 1, 0}},
                    {"a dog", {0, .8F, .6F}},
                    {"the dog", {0, .8F, .6F}}};
  encoder_.images = {
      {"cat/1.jpg", {.4F, .8F, 0}}, {"cat/2.jpg", {1, 1, 1}}, {"dog/1.jpg", {0, 0, 1}}};
  EXPECT_NEAR(value(run(), "pets.top1"), 100, 1e-9);

  const auto is_cat = [](const std::vector<double>& cat, const std::vector<double>& image) {
    const std::vector<double> dog = {0, .8, .6};
    double difference = 0;
    for (size_t i = 0; i < 3; ++i) difference += (cat[i] - dog[i]) * image[i];
    return difference > 0;
  };
  const std::vector<double> first = {.4, .8, 0}, second = {1, 1, 1};
  const std::vector<double> ours = {std::sqrt(.5), std::sqrt(.5), 0};
  EXPECT_TRUE(is_cat(ours, first) && is_cat(ours, second));
  const std::vector<double> mean_of_raw_prompts = {3 / std::sqrt(10), 1 / std::sqrt(10), 0};
  EXPECT_FALSE(is_cat(mean_of_raw_prompts, first));
  const std::vector<double> mean_left_short = {.5, .5, 0};
  EXPECT_FALSE(is_cat(mean_left_short, second));
}

TEST_F(ZeroShotTest, FoldersAreClassesByNameIndexOrOrder) {
  for (const auto& [cat, dog] : std::vector<std::pair<std::string, std::string>>{
           {"cat", "dog"}, {"0", "1"}, {"000", "001"}, {"n01", "n02"}}) {
    std::filesystem::remove_all(folder_ / "zeroshot");
    write_set("pets", "cat\ndog\n", "a {}\n", {dog + "/1.jpg", cat + "/1.png", cat + "/2.WEBP"});
    const Outcome outcome = run();
    ASSERT_EQ(outcome.examples.size(), 3U);
    EXPECT_EQ(outcome.examples[0].fields.at("image_id"), cat + "/1.png");
    EXPECT_EQ(outcome.examples[0].fields.at("class"), "cat");
    EXPECT_EQ(outcome.examples[2].fields.at("class"), "dog");
  }
  write("zeroshot/pets/images/cow/1.jpg", "x");
  test::expect_error(ErrorKind::kData, {"3 of 3 folders", "2 classes", "cow"},
                     [&] { load_zeroshot(data_); });
}

TEST_F(ZeroShotTest, ReadsJsonAndSeveralSets) {
  write("zeroshot/a/classnames.json", R"(["one", "two"])");
  write("zeroshot/a/templates.json", R"(["{c}"])");
  write("zeroshot/a/images/one/1.jpg", "x");
  write("zeroshot/a/images/two/1.jpg", "x");
  write_set("b", "x\n", "{}\n", {"x/1.jpg"});
  EXPECT_EQ(test::metric_names(run()),
            (std::vector<std::string>{"a.top1", "a.mean_per_class", "b.top1", "b.mean_per_class"}));
}

TEST_F(ZeroShotTest, MissingFilesAndClassesAreLacking) {
  LoadedBenchmark loaded = load_zeroshot(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.size(), 1U);
  write("zeroshot/pets/classnames.txt", "cat\ndog\n");
  loaded = load_zeroshot(data_);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  EXPECT_NE(loaded.lacks[0].what.find("templates.json images/"), std::string::npos);

  write_set("pets", "cat\ndog\n", "a {}\n", {"cat/1.jpg"});
  loaded = load_zeroshot(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_NE(loaded.lacks.at(0).what.find("images of 1 of 2 classes"), std::string::npos);
  data_.partial = true;
  EXPECT_EQ(run().metrics[0].name, "pets.top1 (1 of 2 classes)");
  data_.image_tower = false;
  EXPECT_EQ(load_zeroshot(data_).benchmark, nullptr);
}

TEST_F(ZeroShotTest, SomeOfTheImagesAreNotAllOfThem) {
  write_set("pets", "cat\ndog\n", "a {}\n", {"cat/1.jpg", "cat/2.jpg", "dog/1.jpg"});
  const ImageEmbeddings embeddings =
      test::make_embeddings(folder_ / "embeddings", {"cat/1.jpg", "dog/1.jpg"});
  data_.embeddings = &embeddings;
  data_.image_tower = false;
  LoadedBenchmark loaded = load_zeroshot(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.at(0).what, "1 of 3 images, such as cat/2.jpg");
  data_.partial = true;
  const Outcome outcome = run();
  EXPECT_EQ(outcome.metrics[0].name, "pets.top1 (2 of 3 images)");
  EXPECT_EQ(outcome.samples[0].strata, (std::vector<int64_t>{1, 1}));
}

TEST_F(ZeroShotTest, ImageNetTakesOpenClipsNamesAndMustBeWhole) {
  write("imagenet_zeroshot/open_clip_imagenet_metadata.json",
        R"({"OPENAI_IMAGENET_TEMPLATES": ["a {}", "the {}"],
            "IMAGENET_CLASSNAMES": ["tench", "hen"]})");
  LoadedBenchmark loaded = load_zeroshot(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.at(0).part, "imagenet");
  write("zeroshot/imagenet/images/n01/1.jpg", "x");
  write("zeroshot/imagenet/images/n02/1.jpg", "x");
  loaded = load_zeroshot(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_NE(loaded.lacks.at(0).what.find("49,998 of the 50,000 images"), std::string::npos);
  data_.partial = true;
  const Outcome outcome = run();
  EXPECT_EQ(outcome.metrics[0].name, "imagenet.top1 (2 of 50,000 images)");
  EXPECT_EQ(outcome.examples[1].fields.at("class"), "hen");
}

TEST_F(ZeroShotTest, DamagedFilesAreRejected) {
  const auto expect_bad = [&](std::initializer_list<std::string> fragments) {
    test::expect_error(ErrorKind::kData, fragments, [&] { load_zeroshot(data_); });
  };
  write("zeroshot/a/classnames.json", R"({"one": 1})");
  expect_bad({"classnames.json", "a list of texts"});
  write("zeroshot/a/classnames.json", R"(["one", 2])");
  expect_bad({"classnames.json", "entry 1 is 2"});
  write("zeroshot/a/classnames.json", R"(["one"])");
  write("zeroshot/a/templates.txt", "a photo\n");
  expect_bad({"\"a photo\"", "no place for the class"});
  write("zeroshot/a/templates.txt", "\n");
  expect_bad({"templates.txt", "holds no texts"});
  write("zeroshot/a/templates.txt", "{}\n");
  write("zeroshot/a/images/1.jpg", "x");
  expect_bad({"1.jpg", "in no folder"});
}

}  // namespace
}  // namespace paraclip
