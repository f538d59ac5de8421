#include "paraclip/eval/cases.h"

#include "paraclip/base/error.h"
#include "tests/eval/benchmark_fixture.h"

#include <ATen/ATen.h>

namespace paraclip {
namespace {

constexpr std::array<std::string_view, 2> kCaptions = {"caption", "negative_caption"};
constexpr std::array<std::string_view, 2> kNames = {"first", "second"};

class CasesTest : public test::BenchmarkFixture {
 protected:
  std::vector<CaseGroup> read() {
    return read_caption_groups(folder_.path(), kNames, kCaptions, folder_ / "images");
  }

  // Reads "first" and then `second`, which is to fail.
  std::string error_of_second(const std::string& second) {
    write("first.json", R"([{"filename": "a.jpg", "caption": "x", "negative_caption": "y"}])");
    write("second.json", second);
    return test::error_of([&] { read(); });
  }

  void write_two_groups() {
    write("first.json", R"([{"filename": "a.jpg", "caption": "x", "negative_caption": "y"},
                            {"filename": "b.jpg", "caption": "x", "negative_caption": "z"}])");
    write("second.json", R"({"0": {"filename": "b.jpg", "caption": "u", "negative_caption": "v"},
                             "1": {"filename": "c.jpg", "caption": "u", "negative_caption": "w"}})");
  }
};

TEST_F(CasesTest, ReadsArraysAndObjects) {
  write_two_groups();
  const std::vector<CaseGroup> groups = read();
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].name, "first");
  EXPECT_EQ(groups[1].in_all, 2);
  ASSERT_EQ(groups[1].cases.size(), 2U);
  EXPECT_EQ(groups[1].cases[1].image.id, "c.jpg");
  EXPECT_EQ(groups[1].cases[1].image.file, folder_ / "images/c.jpg");
  EXPECT_EQ(groups[1].cases[1].captions, (std::vector<std::string>{"u", "w"}));
  EXPECT_EQ(case_count(groups), 4);
  EXPECT_EQ(image_count(groups), 3);
  EXPECT_EQ(sample_of(groups).strata, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(group_numbers(groups), (std::vector<int64_t>{0, 0, 1, 1}));
  EXPECT_EQ(partial_suffix(groups), "");
}

TEST_F(CasesTest, NamesFileAndCaseOfDamage) {
  const auto expect = [&](const std::string& second, const std::string& part) {
    const std::string error = error_of_second(second);
    EXPECT_NE(error.find("second.json" + part), std::string::npos) << error;
  };
  expect("[", ": not valid JSON");
  expect("7", ": expected a JSON array or object of cases, found number");
  expect("[]", ": expected a JSON array or object of cases, found none");
  expect("[7]", ", case 0: expected a JSON object, found number");
  expect(R"({"k": {"filename": "a", "caption": "x"}})", ", case k: the key \"negative_caption\"");
  expect(R"([{"filename": "a", "caption": " ", "negative_caption": "y"}])",
         ", case 0: \"caption\" is blank");
  expect(R"([{"filename": 3, "caption": "x", "negative_caption": "y"}])",
         ", case 0: \"filename\" is 3, expected a string");
}

TEST_F(CasesTest, SaysWhichFilesAreMissing) {
  write("first.json", "[]");
  const auto lack = lack_of_files("part", group_files(folder_.path(), kNames), "remedy");
  ASSERT_TRUE(lack);
  EXPECT_EQ(lack->part, "part");
  EXPECT_EQ(lack->what, (folder_ / "second.json").string());
  EXPECT_EQ(lack->remedy, "remedy");
  EXPECT_FALSE(lack_of_files("part", {folder_ / "first.json"}, "remedy"));
}

TEST_F(CasesTest, KeepsAllCasesOrNoneUnlessPartial) {
  write_two_groups();
  write("images/a.jpg", "");
  write("images/b.jpg", "");
  std::vector<CaseGroup> groups = read();
  const auto lack = keep_cases_with_images(groups, data_, "part", "remedy");
  ASSERT_TRUE(lack);
  EXPECT_EQ(lack->what, "1 of 3 images, such as c.jpg");
  EXPECT_EQ(case_count(groups), 0);
  EXPECT_TRUE(sample_of(groups).strata.empty());

  groups = read();
  data_.partial = true;
  const auto partial = keep_cases_with_images(groups, data_, "part", "remedy");
  ASSERT_TRUE(partial);
  EXPECT_NE(partial->what.find("; measured without them (3 of 4 cases)"), std::string::npos);
  EXPECT_EQ(case_count(groups), 3);
  EXPECT_EQ(partial_suffix(groups), " (3 of 4 cases)");
  EXPECT_EQ(partial_suffix({groups.data(), 1}), "");
  EXPECT_EQ(partial_suffix({groups.data() + 1, 1}), " (1 of 2 cases)");

  write("images/c.jpg", "");
  groups = read();
  EXPECT_FALSE(keep_cases_with_images(groups, data_, "part", "remedy"));
  EXPECT_EQ(case_count(groups), 4);
}

TEST_F(CasesTest, TakesImagesFromEmbeddingsButNotCrops) {
  write_two_groups();
  const ImageEmbeddings embeddings =
      test::make_embeddings(folder_ / "embeddings", {"a.jpg", "b.jpg", "c.jpg"});
  data_.image_tower = false;
  std::vector<CaseGroup> groups = read();
  EXPECT_TRUE(keep_cases_with_images(groups, data_, "part", "remedy"));

  data_.embeddings = &embeddings;
  groups = read();
  EXPECT_FALSE(keep_cases_with_images(groups, data_, "part", "remedy"));
  groups[0].cases[0].image.crop = Box{0, 0, 1, 1};
  EXPECT_TRUE(keep_cases_with_images(groups, data_, "part", "remedy"));
}

// Counts what it is asked for.
class CountingEncoder : public test::FakeEncoder {
 public:
  size_t images_asked_for = 0;
  at::Tensor encode_images(std::span<const EvalImage> wanted) override {
    images_asked_for += wanted.size();
    return FakeEncoder::encode_images(wanted);
  }
};

TEST_F(CasesTest, ScoresManyCasesWithEachImageEncodedOnce) {
  std::vector<CaseGroup> groups(3);
  for (int i = 0; i < 2500; ++i) {
    const std::string id = std::to_string(i % 7);
    CaptionCase item{{id, id, {}}, {}};
    if (i % 2 == 1) item.image.crop = Box{i % 3, 0, 5, 5};
    for (int caption = 0; caption <= i % 3; ++caption)
      item.captions.push_back("caption " + std::to_string(i) + std::to_string(caption));
    groups[i < 10 ? 0U : 2U].cases.push_back(item);
  }
  CountingEncoder encoder;
  const auto similarities = caption_similarities(groups, encoder);
  EXPECT_EQ(encoder.images_asked_for, 7U + 7U * 3U);
  ASSERT_EQ(similarities.size(), 2500U);
  size_t next = 0;
  for (const CaseGroup& group : groups) {
    for (const CaptionCase& item : group.cases) {
      ASSERT_EQ(similarities[next].size(), item.captions.size());
      for (size_t i = 0; i < item.captions.size(); i += 2)
        ASSERT_EQ(similarities[next][i], image_cosine(item.image, item.captions[i])) << next;
      ++next;
    }
  }
}

TEST_F(CasesTest, CountsGroupsAsTold) {
  std::vector<CaseGroup> groups(4);
  for (size_t i = 0; i < 4; ++i) {
    groups[i].name = std::string(1, static_cast<char>('a' + i));
    groups[i].cases.resize(i);
    groups[i].in_all = static_cast<int64_t>(i);
  }
  // b: 100; c: 50; d: 0.
  const std::vector<double> percent = {100, 100, 0, 0, 0, 0};
  Outcome outcome;
  add_accuracies("x", groups, percent, /*chance=*/50, outcome);
  add_group_accuracies("x", groups, percent, /*chance=*/50, outcome);
  EXPECT_EQ(test::values_of(outcome),
            (std::map<std::string, double>{
                {"x", 50}, {"x.micro", 200.0 / 6}, {"x.b", 100}, {"x.c", 50}, {"x.d", 0}}));
  EXPECT_EQ(test::headlines_of(outcome), (std::vector<std::string>{"x"}));

  groups[3].counts = false;
  outcome = {};
  add_accuracies("x", groups, percent, /*chance=*/50, outcome);
  EXPECT_EQ(test::values_of(outcome),
            (std::map<std::string, double>{{"x", 75}, {"x.all", 50}, {"x.micro", 200.0 / 6}}));

  groups[1].counts = groups[2].counts = false;
  outcome = {};
  add_accuracies("x", groups, percent, /*chance=*/50, outcome);
  EXPECT_EQ(test::values_of(outcome),
            (std::map<std::string, double>{{"x.all", 50}, {"x.micro", 200.0 / 6}}));
}

}  // namespace
}  // namespace paraclip
