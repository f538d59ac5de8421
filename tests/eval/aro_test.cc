#include "paraclip/base/random.h"
#include "paraclip/eval/aro_relations.h"
#include "paraclip/eval/registry.h"
#include "tests/eval/benchmark_fixture.h"

#include <set>

namespace paraclip {
namespace {

struct Item {
  std::string group;  // A relation, or two attributes with "_" between them.
  std::string image, true_caption, false_caption;
  Box box;
};

// Shares of right cases in percent, by group.
using Accuracies = std::map<std::string, std::vector<double>>;

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

template <class Counts>
double macro(const Accuracies& groups, Counts counts) {
  std::vector<double> means;
  for (const auto& [name, percent] : groups) {
    if (counts(name, percent)) means.push_back(mean(percent));
  }
  return mean(means);
}

double micro(const Accuracies& groups) {
  std::vector<double> all;
  for (const auto& [name, percent] : groups) all.insert(all.end(), percent.begin(), percent.end());
  return mean(all);
}

bool every(const std::string&, const std::vector<double>&) { return true; }
bool directed(const std::string& name, const std::vector<double>&) {
  return !is_symmetric_relation(name);
}
bool frequent(const std::string&, const std::vector<double>& percent) {
  return percent.size() >= 25;
}

class AroTest : public test::BenchmarkFixture {
 protected:
  void write_items(const std::vector<Item>& items, const std::string& file) {
    Json records = Json::array();
    for (const Item& item : items) {
      Json record = {{"image_path", item.image},
                     {"bbox_x", item.box.x},
                     {"bbox_y", item.box.y},
                     {"bbox_w", item.box.width},
                     {"bbox_h", item.box.height},
                     {"true_caption", item.true_caption},
                     {"false_caption", item.false_caption}};
      const size_t bar = item.group.find('_');
      if (bar == std::string::npos) {
        record["relation_name"] = item.group;
      } else {
        record["attributes"] = {item.group.substr(0, bar), item.group.substr(bar + 1)};
      }
      records.push_back(record);
      write("aro/images/" + item.image, "");
    }
    write("aro/" + file, dump_json(records));
  }

  Outcome run(LoadedBenchmark (*load)(const BenchmarkData&)) {
    const LoadedBenchmark loaded = load(data_);
    EXPECT_TRUE(loaded.lacks.empty());
    return loaded.benchmark->run(encoder_);
  }

  Accuracies accuracies(const std::vector<Item>& items) {
    Accuracies groups;
    for (const Item& item : items) {
      const EvalImage image = {item.image, {}, item.box};
      const bool right =
          image_cosine(image, item.true_caption) > image_cosine(image, item.false_caption);
      groups[item.group].push_back(right ? 100 : 0);
    }
    return groups;
  }

  // `count` cases of a group, of which `right` are right, by vectors in the plane; the rest tie.
  void add(std::vector<Item>& items, const std::string& group, int count, int right) {
    encoder_.texts = {{"yes", {1, 0}}, {"no", {0, 1}}, {"also yes", {1, 0}}};
    encoder_.images["i.jpg:1:2:3:4"] = {1, 0};
    for (int i = 0; i < count; ++i)
      items.push_back({group, "i.jpg", "yes", i < right ? "no" : "also yes", {1, 2, 3, 4}});
  }
};

TEST_F(AroTest, ListsTheSymmetricRelationsOnce) {
  const auto list = symmetric_relations();
  EXPECT_EQ(std::set<std::string_view>(list.begin(), list.end()).size(), 157U);
  EXPECT_TRUE(is_symmetric_relation("next to"));
  EXPECT_TRUE(is_symmetric_relation("around"));
  EXPECT_FALSE(is_symmetric_relation("to the left of"));
  EXPECT_FALSE(is_symmetric_relation("on"));
}

TEST_F(AroTest, RelationsAreWhatTheRuleSaysOnRandomAndTiedVectors) {
  const std::vector<std::string> relations = {"on", "near", "to the left of", "of", "wearing"};
  for (const int levels : {1 << 20, 2}) {
    encoder_.levels = levels;
    std::vector<Item> items;
    uint64_t state = 7;
    for (int i = 0; i < 150; ++i) {
      const auto pick = [&](uint64_t count) { return mix64(++state) % count; };
      const size_t relation = std::min(pick(relations.size()), pick(relations.size()));
      items.push_back({relations[relation],
                       std::to_string(pick(9)) + ".jpg",
                       "true " + std::to_string(pick(40)),
                       "false " + std::to_string(pick(40)),
                       {static_cast<int64_t>(pick(3)), 5, 10, 20}});
    }
    write_items(items, "visual_genome_relation.json");
    const Outcome outcome = run(load_aro_relation);
    const Accuracies theirs = accuracies(items);
    const auto ours = test::values_of(outcome);
    EXPECT_EQ(ours.size(), 3 + relations.size());
    EXPECT_NEAR(ours.at("accuracy"), macro(theirs, directed), 1e-9);
    EXPECT_NEAR(ours.at("accuracy.all"), macro(theirs, every), 1e-9);
    EXPECT_NEAR(ours.at("accuracy.micro"), micro(theirs), 1e-9);
    for (const std::string& relation : relations)
      EXPECT_NEAR(ours.at("accuracy." + relation), mean(theirs.at(relation)), 1e-9);
    EXPECT_EQ(outcome.examples.size(), items.size());
  }
}

TEST_F(AroTest, LeavesSymmetricRelationsOutAndAveragesTheOthersAlike) {
  encoder_ = test::FakeEncoder(/*width=*/2);
  std::vector<Item> items;
  add(items, "on", /*count=*/8, /*right=*/6);
  add(items, "near", /*count=*/5, /*right=*/5);
  add(items, "under", /*count=*/2, /*right=*/0);
  write_items(items, "visual_genome_relation.json");
  const Accuracies theirs = accuracies(items);
  const auto ours = test::values_of(run(load_aro_relation));
  EXPECT_DOUBLE_EQ(ours.at("accuracy"), 37.5);
  EXPECT_NE(macro(theirs, every), 37.5);
  EXPECT_NE(micro(theirs), 37.5);
  EXPECT_NEAR(micro(theirs), 100.0 * 11 / 15, 1e-9);
  // Ties right would make all of it right.
  EXPECT_DOUBLE_EQ(ours.at("accuracy.under"), 0);
}

TEST_F(AroTest, CountsFrequentOrderedPairsOfAttributes) {
  encoder_ = test::FakeEncoder(/*width=*/2);
  std::vector<Item> items;
  add(items, "red_large", /*count=*/25, /*right=*/20);
  add(items, "large_red", /*count=*/24, /*right=*/0);
  add(items, "old_white", /*count=*/50, /*right=*/30);
  write_items(items, "visual_genome_attribution.json");
  const Accuracies theirs = accuracies(items);
  const Outcome outcome = run(load_aro_attribution);
  const auto ours = test::values_of(outcome);
  EXPECT_DOUBLE_EQ(ours.at("accuracy"), 70);
  EXPECT_DOUBLE_EQ(ours.at("accuracy"), macro(theirs, frequent));
  EXPECT_NEAR(macro(theirs, every), 140.0 / 3, 1e-9);  // Without the rule of 25 cases.
  Accuracies unordered = theirs;
  std::vector<double>& merged = unordered.at("large_red");
  merged.insert(merged.end(), theirs.at("red_large").begin(), theirs.at("red_large").end());
  unordered.erase("red_large");
  EXPECT_GT(std::abs(macro(unordered, frequent) - 70), 1);
  EXPECT_NEAR(ours.at("accuracy.micro"), micro(theirs), 1e-9);
  EXPECT_EQ(ours.size(), 3U);

  const LoadedBenchmark loaded = load_aro_attribution(data_);
  const auto list = loaded.benchmark->counts();
  const std::map<std::string, int64_t> counts(list.begin(), list.end());
  EXPECT_EQ(counts.at("cases"), 99);
  EXPECT_EQ(counts.at("pairs of attributes"), 3);
  EXPECT_EQ(counts.at("pairs of attributes that count"), 2);
  EXPECT_EQ(counts.at("cases that count"), 75);
}

TEST_F(AroTest, HasNoHeadlineWithoutAGroupThatCounts) {
  encoder_ = test::FakeEncoder(/*width=*/2);
  std::vector<Item> items;
  add(items, "red_large", /*count=*/24, /*right=*/20);
  write_items(items, "visual_genome_attribution.json");
  EXPECT_TRUE(test::headlines_of(run(load_aro_attribution)).empty());
}

TEST_F(AroTest, CropsByLeftTopWidthAndHeight) {
  encoder_ = test::FakeEncoder(/*width=*/2);
  encoder_.texts = {{"yes", {1, 0}}, {"no", {0, 1}}};
  encoder_.images = {{"i.jpg:10:20:30:40", {1, 0}},  // As it must be.
                     {"i.jpg:20:10:40:30", {0, 1}},  // Rows first.
                     {"i.jpg:10:20:40:60", {0, 1}},  // Right and bottom for width and height.
                     {"i.jpg:10:20:20:20", {0, 1}},  // Width and height for right and bottom.
                     {"i.jpg", {0, 1}}};             // The whole picture.
  write_items({{"on", "i.jpg", "yes", "no", {10, 20, 30, 40}}}, "visual_genome_relation.json");
  const Outcome outcome = run(load_aro_relation);
  EXPECT_EQ(test::values_of(outcome).at("accuracy"), 100);
  for (const Box& wrong : {Box{20, 10, 40, 30}, Box{10, 20, 40, 60}, Box{10, 20, 20, 20}}) {
    const EvalImage image = {"i.jpg", {}, wrong};
    EXPECT_LT(image_cosine(image, "yes"), image_cosine(image, "no"));
  }
  EXPECT_EQ(dump_json(outcome.examples.at(0).fields),
            R"({"image":"i.jpg","crop":[10,20,30,40],"false_caption":"no","true_caption":"yes"})");
  const Json measured = outcome.examples.at(0).measured;
  EXPECT_EQ(measured.at("cos(crop, false_caption)"), 0.0);
  EXPECT_EQ(measured.at("cos(crop, true_caption)"), 1.0);
}

TEST_F(AroTest, SaysWhatIsMissingOrDamaged) {
  EXPECT_EQ(load_aro_relation(data_).benchmark, nullptr);
  EXPECT_EQ(load_aro_relation(data_).lacks.at(0).what,
            (folder_ / "aro/visual_genome_relation.json").string());

  std::vector<Item> items;
  add(items, "on", /*count=*/3, /*right=*/3);
  items[1].image = "other.jpg";
  write_items(items, "visual_genome_relation.json");
  std::filesystem::remove(folder_ / "aro/images/other.jpg");
  EXPECT_EQ(load_aro_relation(data_).benchmark, nullptr);
  EXPECT_NE(load_aro_relation(data_).lacks.at(0).what.find("1 of 2 images"), std::string::npos);
  data_.partial = true;
  encoder_ = test::FakeEncoder(/*width=*/2);
  const LoadedBenchmark partial = load_aro_relation(data_);
  const auto values = test::values_of(partial.benchmark->run(encoder_));
  EXPECT_TRUE(values.contains("accuracy (2 of 3 cases)"));
  EXPECT_TRUE(values.contains("accuracy.on (2 of 3 cases)"));

  const std::string start = R"([{"image_path": "i.jpg", "bbox_x": 1, "bbox_y": 1, "bbox_w": )";
  const std::string end = R"(, "bbox_h": 2, "true_caption": "a", "false_caption": "b")";
  write("aro/visual_genome_relation.json", start + "0" + end + R"(, "relation_name": "on"}])");
  expect_data_error(load_aro_relation, "case 0: the crop is 0 x 2 pixels");
  write("aro/visual_genome_relation.json", start + "1.5" + end + R"(, "relation_name": "on"}])");
  expect_data_error(load_aro_relation, "\"bbox_w\" is 1.5, expected a 64-bit integer");
  write("aro/visual_genome_relation.json", start + "3" + end + "}]");
  expect_data_error(load_aro_relation, "the key \"relation_name\" is missing");
  write("aro/visual_genome_attribution.json", start + "3" + end + R"(, "attributes": ["red"]}])");
  expect_data_error(load_aro_attribution, "expected \"attributes\" to be a list of two names");
  write("aro/visual_genome_attribution.json", "[[]]");
  expect_data_error(load_aro_attribution, "case 0: ");
}

}  // namespace
}  // namespace paraclip
