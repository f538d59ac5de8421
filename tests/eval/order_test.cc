#include "paraclip/eval/order.h"

#include "paraclip/base/random.h"
#include "paraclip/eval/registry.h"
#include "tests/eval/benchmark_fixture.h"

#include <fmt/format.h>

#include <regex>

namespace paraclip {
namespace {

struct Item {
  std::string image;
  std::vector<std::string> options;
};

class OrderTest : public test::BenchmarkFixture {
 protected:
  void write_items(const std::vector<Item>& items) {
    std::string lines;
    for (const Item& item : items) {
      lines += dump_json({{"image", item.image}, {"options", item.options}}) + "\n";
      write("coco/val2014/" + std::filesystem::path(item.image).filename().string(), "");
    }
    write("aro/coco_order.jsonl", lines);
  }

  std::map<std::string, double> run() {
    const LoadedBenchmark loaded = load_order_coco(data_);
    EXPECT_TRUE(loaded.lacks.empty());
    return test::values_of(loaded.benchmark->run(encoder_));
  }
};

// The regular expressions of the published function, applied as it applies them.
std::string published_caption(std::string caption) {
  for (char& c : caption) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  caption = std::regex_replace(caption, std::regex(R"re(([.!"()*#:;~]))re"), " ");
  caption = std::regex_replace(caption, std::regex(R"(\s{2,})"), " ");
  while (caption.ends_with('\n')) caption.pop_back();
  caption.erase(0, std::min(caption.find_first_not_of(' '), caption.size()));
  while (caption.ends_with(' ')) caption.pop_back();
  std::vector<std::string> words;
  size_t begin = 0;
  while (true) {
    const size_t end = caption.find(' ', begin);
    words.push_back(caption.substr(begin, end - begin));
    if (end == std::string::npos) break;
    begin = end + 1;
  }
  std::string cut;
  for (size_t i = 0; i < std::min<size_t>(words.size(), 30); ++i)
    cut += (i == 0 ? "" : " ") + words[i];
  return cut;
}

TEST(OrderCaption, IsTheHandMadeCaption) {
  EXPECT_EQ(order_caption("A dog, on the GRASS."), "a dog, on the grass");
  EXPECT_EQ(order_caption(" (two) \"cats\" * #1: here; ~there!! "), "two cats 1 here there");
  EXPECT_EQ(order_caption("it's  a\tlone tab\n"), "it's a\tlone tab");
  EXPECT_EQ(order_caption("two \t\n kinds"), "two kinds");
  EXPECT_EQ(order_caption("an\u00A0\u2003em"), "an em");
  EXPECT_EQ(order_caption("CAFÉ…"), "café…");
  EXPECT_EQ(order_caption(""), "");
  EXPECT_EQ(order_caption(" .  . "), "");
  std::string words;
  for (int i = 0; i < 30; ++i) words += fmt::format("{}w{}", i == 0 ? "" : " ", i);
  EXPECT_EQ(order_caption(words), words);
  EXPECT_EQ(order_caption(words + " more"), words);
  EXPECT_EQ(order_caption(words + " more and more"), words);
}

TEST(OrderCaption, IsThePublishedFunctionOnRandomText) {
  uint64_t state = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (uint64_t length = mix64(++state) % 120; length > 0; --length)
      text += std::string_view("abC \t\n.!\"#:;~(),'-  ")[mix64(++state) % 20];
    ASSERT_EQ(order_caption(text), published_caption(text)) << text;
  }
}

TEST_F(OrderTest, IsWhatTheRuleSaysOnRandomAndTiedVectors) {
  for (const int levels : {1 << 20, 2}) {
    encoder_.levels = levels;
    std::vector<Item> items;
    uint64_t state = 5;
    for (int i = 0; i < 200; ++i) {
      Item& item = items.emplace_back();
      item.image = fmt::format("val2014/{}.jpg", mix64(++state) % 20);
      for (int option = 0; option < 5; ++option)
        item.options.push_back(fmt::format("Words {}.", mix64(++state) % 60));
    }
    write_items(items);
    double favoured = 0, strict = 0;
    for (const Item& item : items) {
      std::vector<double> cosines;
      for (const std::string& option : item.options) {
        cosines.push_back(
            image_cosine({std::filesystem::path(item.image).filename().string(), {}, {}},
                         order_caption(option)));
      }
      const auto first = std::max_element(cosines.begin(), cosines.end());
      favoured += first == cosines.begin() ? 100.0 / 200 : 0;
      strict +=
          first == cosines.begin() && std::count(cosines.begin(), cosines.end(), cosines[0]) == 1
              ? 100.0 / 200
              : 0;
    }
    const auto ours = run();
    EXPECT_NEAR(ours.at("accuracy"), favoured, 1e-9);
    EXPECT_NEAR(ours.at("accuracy.strict"), strict, 1e-9);
    if (levels == 2) {
      EXPECT_GT(favoured, strict + 5);
    }
  }
}

TEST_F(OrderTest, FavoursTheOriginalInTies) {
  encoder_ = test::FakeEncoder(/*width=*/2);
  encoder_.images = {{"a.jpg", {1, 0}}};
  encoder_.texts = {{"good", {1, 0}}, {"also good", {1, 0}}, {"bad", {0, 1}}};
  write_items({{"val2014/a.jpg", {"Good.", "bad", "bad", "bad", "bad"}},
               {"val2014/a.jpg", {"good", "bad", "bad", "bad", "also good"}},
               {"val2014/a.jpg", {"good", "Good!", "bad", "bad", "bad"}},
               {"val2014/a.jpg", {"bad", "bad", "good", "bad", "bad"}}});
  const auto values = run();
  EXPECT_EQ(values.at("accuracy"), 75);
  EXPECT_EQ(values.at("accuracy.strict"), 25);
  const LoadedBenchmark loaded = load_order_coco(data_);
  const auto list = loaded.benchmark->counts();
  const std::map<std::string, int64_t> counts(list.begin(), list.end());
  EXPECT_EQ(counts.at("cases"), 4);
  EXPECT_EQ(counts.at("images"), 1);
  EXPECT_EQ(counts.at("cases with a perturbation equal to the original"), 2);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(outcome.examples[1].score, 0);
  EXPECT_TRUE(outcome.examples[1].right);
  EXPECT_FALSE(outcome.examples[3].right);
  EXPECT_EQ(outcome.examples[1].fields["trigrams_shuffled"], "also good");
}

TEST_F(OrderTest, SaysWhatIsMissingOrDamaged) {
  for (const auto load : {load_order_coco, load_order_flickr30k}) {
    EXPECT_EQ(load(data_).benchmark, nullptr);
    EXPECT_NE(load(data_).lacks.at(0).what.find("_order.jsonl"), std::string::npos);
  }
  const std::vector<std::string> options = {"a", "b", "c", "d", "e"};
  write_items({{"val2014/a.jpg", options}, {"val2014/b.jpg", options}});
  std::filesystem::remove(folder_ / "coco/val2014/b.jpg");
  EXPECT_EQ(load_order_coco(data_).benchmark, nullptr);
  EXPECT_NE(load_order_coco(data_).lacks.at(0).what.find("1 of 2 images"), std::string::npos);
  data_.partial = true;
  const LoadedBenchmark partial = load_order_coco(data_);
  EXPECT_TRUE(
      test::values_of(partial.benchmark->run(encoder_)).contains("accuracy.strict (1 of 2 cases)"));

  const auto expect = [&](const std::string& line, const std::string& part) {
    write("aro/coco_order.jsonl", R"({"image": "a", "options": ["a", "b", "c", "d", "e"]})"
                                  "\n" +
                                      line);
    expect_data_error(load_order_coco, part);
  };
  expect(R"({"image": "a", "options": ["a", "b", "c", "d"]})", "line 2: expected \"options\"");
  expect(R"({"image": "a", "options": ["a", "b", "c", "d", 5]})", "line 2: expected \"options\"");
  expect(R"({"image": "a", "options": ["a", "b", "c", "d", "e", 5]})", "line 2: expected");
  expect(R"({"image": "a"})", "line 2: expected \"options\"");
  expect(R"({"options": ["a", "b", "c", "d", "e"]})", "line 2: the key \"image\" is missing");
  expect("{", "line 2: not valid JSON");
  write("aro/coco_order.jsonl", "\n");
  expect_data_error(load_order_coco, "holds no cases");
}

}  // namespace
}  // namespace paraclip
