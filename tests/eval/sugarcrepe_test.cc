#include "paraclip/base/random.h"
#include "paraclip/eval/registry.h"
#include "tests/eval/benchmark_fixture.h"

#include <algorithm>
#include <array>

namespace paraclip {
namespace {

constexpr std::array<const char*, 7> kSubsets = {
    "add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"};
constexpr std::array<const char*, 5> kPlusPlusSubsets = {"replace_att", "replace_obj",
                                                         "replace_rel", "swap_att", "swap_obj"};

struct Item {
  std::string subset, image, caption, caption2, negative;
};

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

class SugarCrepeTest : public test::BenchmarkFixture {
 protected:
  // A few cases more in each subset than in the one before, so that macro and micro differ. Texts
  // recur, so that images and texts do.
  template <size_t count>
  static std::vector<Item> make_items(const std::array<const char*, count>& subsets,
                                      uint64_t seed) {
    std::vector<Item> items;
    for (size_t subset = 0; subset < count; ++subset) {
      for (size_t i = 0; i < 4 + 5 * subset; ++i) {
        const auto pick = [&](const std::string& what) {
          return what + " " + std::to_string(mix64(++seed) % 23);
        };
        items.push_back({subsets[subset], pick("image") + ".jpg", pick("a"), pick("b"), pick("c")});
      }
    }
    return items;
  }

  void write_items(const std::vector<Item>& items, const std::string& folder, bool as_object) {
    std::map<std::string, Json> files;
    for (const Item& item : items) {
      Json record = {{"filename", item.image},
                     {"caption", item.caption},
                     {"caption2", item.caption2},
                     {"negative_caption", item.negative}};
      Json& file = files[item.subset];
      if (as_object) {
        file[std::to_string(file.size())] = record;
      } else {
        file.push_back(record);
      }
      write("coco/val2017/" + item.image, "");
    }
    for (const auto& [name, file] : files) write(folder + "/" + name + ".json", dump_json(file));
  }

  double cosine(const Item& item, const std::string& text) {
    return image_cosine({item.image, {}, {}}, text);
  }

  // The share of right cases, over all and of each subset.
  template <class Right>
  static std::map<std::string, double> accuracies(const std::vector<Item>& items,
                                                  const std::string& name, Right right) {
    std::map<std::string, std::vector<double>> by_subset;
    std::vector<double> all;
    for (const Item& item : items) {
      all.push_back(right(item) ? 100 : 0);
      by_subset[item.subset].push_back(all.back());
    }
    std::map<std::string, double> values = {{name + ".micro", mean(all)}};
    std::vector<double> means;
    for (const auto& [subset, percent] : by_subset) {
      values[name + "." + subset] = mean(percent);
      means.push_back(mean(percent));
    }
    values[name] = mean(means);
    return values;
  }

  static void expect_equal(const std::map<std::string, double>& ours,
                           const std::map<std::string, double>& theirs) {
    ASSERT_EQ(ours.size(), theirs.size());
    for (const auto& [name, value] : theirs) {
      ASSERT_TRUE(ours.contains(name)) << name;
      EXPECT_NEAR(ours.at(name), value, 1e-9) << name;
    }
  }

  Outcome run(LoadedBenchmark (*load)(const BenchmarkData&)) {
    const LoadedBenchmark loaded = load(data_);
    EXPECT_TRUE(loaded.lacks.empty());
    return loaded.benchmark->run(encoder_);
  }
};

TEST_F(SugarCrepeTest, IsWhatItsRuleSaysOnRandomAndTiedVectors) {
  for (const int levels : {1 << 20, 2}) {
    encoder_.levels = levels;
    const std::vector<Item> items = make_items(kSubsets, /*seed=*/levels);
    write_items(items, "sugar_crepe", /*as_object=*/true);
    const Outcome outcome = run(load_sugarcrepe);
    const auto right = [&](const Item& item) {
      return cosine(item, item.caption) > cosine(item, item.negative);
    };
    const auto ours = test::values_of(outcome);
    expect_equal(ours, accuracies(items, "accuracy", right));
    EXPECT_NE(ours.at("accuracy"), ours.at("accuracy.micro"));
    EXPECT_EQ(test::headlines_of(outcome), (std::vector<std::string>{"accuracy"}));
    const auto ties_right = accuracies(items, "accuracy", [&](const Item& item) {
      return cosine(item, item.caption) >= cosine(item, item.negative);
    });
    if (levels == 2) {
      EXPECT_GT(ties_right.at("accuracy"), ours.at("accuracy") + 1);
    }
    // Examples stand in the order of the files and say the same.
    ASSERT_EQ(outcome.examples.size(), items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      EXPECT_EQ(outcome.examples[i].part, "accuracy." + items[i].subset);
      EXPECT_EQ(outcome.examples[i].fields["caption"], items[i].caption);
      EXPECT_EQ(outcome.examples[i].fields["negative_caption"], items[i].negative);
      EXPECT_EQ(outcome.examples[i].right, right(items[i]));
      EXPECT_EQ(outcome.examples[i].score,
                cosine(items[i], items[i].caption) - cosine(items[i], items[i].negative));
    }
  }
}

TEST_F(SugarCrepeTest, PlusPlusIsWhatItsRulesSayOnRandomAndTiedVectors) {
  for (const int levels : {1 << 20, 2}) {
    encoder_.levels = levels;
    const std::vector<Item> items = make_items(kPlusPlusSubsets, /*seed=*/levels);
    write_items(items, "sugar_crepe_pp", /*as_object=*/false);
    const Outcome outcome = run(load_sugarcrepe_pp);
    const auto itt = [&](const Item& item) {
      const double negative = cosine(item, item.negative);
      return cosine(item, item.caption) > negative && cosine(item, item.caption2) > negative;
    };
    const auto tot = [&](const Item& item) {
      const double both = text_cosine(item.caption, item.caption2);
      return both > text_cosine(item.caption, item.negative) &&
             both > text_cosine(item.caption2, item.negative);
    };
    std::map<std::string, double> theirs = accuracies(items, "itt", itt);
    theirs.merge(accuracies(items, "tot", tot));
    const auto ours = test::values_of(outcome);
    expect_equal(ours, theirs);
    EXPECT_EQ(test::headlines_of(outcome), (std::vector<std::string>{"itt", "tot"}));
    // One of the two conditions alone, or ties right, would be more.
    const auto one_of_itt = accuracies(items, "itt", [&](const Item& item) {
      return cosine(item, item.caption) > cosine(item, item.negative);
    });
    const auto one_of_tot = accuracies(items, "tot", [&](const Item& item) {
      return text_cosine(item.caption, item.caption2) > text_cosine(item.caption, item.negative);
    });
    EXPECT_GT(one_of_itt.at("itt"), ours.at("itt") + 1);
    EXPECT_GT(one_of_tot.at("tot"), ours.at("tot") + 1);
    ASSERT_EQ(outcome.examples.size(), 2 * items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      EXPECT_EQ(outcome.examples[i].right, itt(items[i]));
      EXPECT_EQ(outcome.examples[items.size() + i].right, tot(items[i]));
      EXPECT_EQ(outcome.examples[items.size() + i].part, "tot." + items[i].subset);
    }
  }
}

// Two subsets of which the one is all right and nine times as large.
TEST_F(SugarCrepeTest, AveragesSubsetsAlike) {
  encoder_ = test::FakeEncoder(/*width=*/2);
  encoder_.texts = {{"good", {1, 0}}, {"bad", {0, 1}}, {"same", {1, 0}}};
  encoder_.images = {{"i.jpg", {1, 0}}};
  std::vector<Item> items;
  for (const char* subset : kPlusPlusSubsets) {
    items.push_back({subset, "i.jpg", "good", "same", "same"});
    if (subset == kPlusPlusSubsets[0])
      items.insert(items.end(), 8, {subset, "i.jpg", "good", "same", "bad"});
  }
  write_items(items, "sugar_crepe_pp", /*as_object=*/false);
  const auto values = test::values_of(run(load_sugarcrepe_pp));
  for (const std::string name : {"itt", "tot"}) {
    // Ties are wrong: 8 of 9 right, and 0 of 1 four times.
    EXPECT_NEAR(values.at(name), 100 * (8.0 / 9) / 5, 1e-9);
    EXPECT_NEAR(values.at(name + ".micro"), 100 * 8.0 / 13, 1e-9);
    EXPECT_EQ(values.at(name + ".swap_att"), 0);
  }
}

TEST_F(SugarCrepeTest, TextOnlyNeedsNoImages) {
  write_items(make_items(kPlusPlusSubsets, /*seed=*/3), "sugar_crepe_pp", /*as_object=*/false);
  const auto whole = test::values_of(run(load_sugarcrepe_pp));
  std::filesystem::remove_all(folder_ / "coco");
  const LoadedBenchmark loaded = load_sugarcrepe_pp(data_);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  EXPECT_EQ(loaded.lacks[0].part, "itt");
  EXPECT_NE(loaded.lacks[0].what.find(" of "), std::string::npos);
  EXPECT_NE(loaded.lacks[0].remedy.find("paraclip data fetch coco_val2017"), std::string::npos);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(test::headlines_of(outcome), (std::vector<std::string>{"tot"}));
  for (const auto& [name, value] : test::values_of(outcome)) {
    EXPECT_TRUE(name.starts_with("tot")) << name;
    EXPECT_EQ(value, whole.at(name)) << name;
  }
}

TEST_F(SugarCrepeTest, PartialRunsSayThatTheyAre) {
  const std::vector<Item> items = make_items(kSubsets, /*seed=*/4);
  write_items(items, "sugar_crepe", /*as_object=*/true);
  std::filesystem::remove(folder_ / "coco/val2017" / items[0].image);
  LoadedBenchmark loaded = load_sugarcrepe(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  EXPECT_NE(loaded.lacks[0].what.find("1 of "), std::string::npos);

  data_.partial = true;
  loaded = load_sugarcrepe(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.size(), 1U);
  std::vector<Item> rest;
  for (const Item& item : items) {
    if (item.image != items[0].image) rest.push_back(item);
  }
  const std::string suffix =
      " (" + std::to_string(rest.size()) + " of " + std::to_string(items.size()) + " cases)";
  const Outcome outcome = loaded.benchmark->run(encoder_);
  const auto values = test::values_of(outcome);
  const auto theirs = accuracies(rest, "accuracy", [&](const Item& item) {
    return cosine(item, item.caption) > cosine(item, item.negative);
  });
  EXPECT_FALSE(values.contains("accuracy"));
  EXPECT_NEAR(values.at("accuracy" + suffix), theirs.at("accuracy"), 1e-9);
  EXPECT_NEAR(values.at("accuracy.micro" + suffix), theirs.at("accuracy.micro"), 1e-9);
  EXPECT_EQ(outcome.examples.size(), rest.size());
  EXPECT_FALSE(values.contains("accuracy.add_att"));
}

TEST_F(SugarCrepeTest, SaysWhatIsMissingOrDamaged) {
  LoadedBenchmark loaded = load_sugarcrepe(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  for (const char* name : kSubsets)
    EXPECT_NE(loaded.lacks[0].what.find(std::string(name) + ".json"), std::string::npos);

  write_items(make_items(kSubsets, /*seed=*/5), "sugar_crepe", /*as_object=*/true);
  std::filesystem::remove(folder_ / "sugar_crepe/swap_obj.json");
  loaded = load_sugarcrepe(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.at(0).what, (folder_ / "sugar_crepe/swap_obj.json").string());

  write("sugar_crepe/swap_obj.json", R"({"0": {"filename": "x.jpg", "caption": "a"}})");
  expect_data_error(load_sugarcrepe, "swap_obj.json, case 0: the key \"negative_caption\"");
  EXPECT_EQ(load_sugarcrepe_pp(data_).benchmark, nullptr);
}

TEST_F(SugarCrepeTest, HasThePublishedNumberOfCases) {
  PARACLIP_NEEDS_SHARED("data/sugar_crepe_pp");
  data_.folder = test::shared_folder() / "data";
  data_.image_tower = false;
  const LoadedBenchmark plus_plus = load_sugarcrepe_pp(data_);
  const auto list = plus_plus.benchmark->counts();
  const std::map<std::string, int64_t> counts(list.begin(), list.end());
  EXPECT_EQ(counts.at("cases"), 4757);
  EXPECT_EQ(counts.at("replace_obj"), 1652);
  EXPECT_EQ(counts.at("cases with an image"), 0);
  const LoadedBenchmark without_images = load_sugarcrepe(data_);
  EXPECT_EQ(without_images.benchmark, nullptr);
  EXPECT_NE(without_images.lacks.at(0).what.find("1,560 of 1,560 images"), std::string::npos);
}

}  // namespace
}  // namespace paraclip
