#include "examples/scenes/aro.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

namespace paraclip::scenes {
namespace {

constexpr int kSide = 192;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// Reads "the A is REL the B" with a table of its own and looks at the centres.
bool relation_holds(const Scene& scene, const std::string& caption) {
  const std::vector<std::string> words = words_of(caption);
  const std::string direction = words[3] == "to" ? words[5] : words[3];
  const auto find = [&](const std::string& kind) {
    for (const SceneObject& object : scene.objects) {
      if (name(object.kind) == kind) return object;
    }
    ADD_FAILURE() << "no " << kind << " in " << scene.id();
    return scene.objects.front();
  };
  const SceneObject a = find(words[1]);
  const SceneObject b = find(words.back());
  if (direction == "left") return a.x + 0.2 < b.x;
  if (direction == "right") return b.x + 0.2 < a.x;
  if (direction == "above") return a.y + 0.2 < b.y;
  if (direction == "below") return b.y + 0.2 < a.y;
  ADD_FAILURE() << caption;
  return false;
}

// Reads "the C1 K1 and the C2 K2".
bool attributes_hold(const Scene& scene, const std::string& caption) {
  const std::vector<std::string> words = words_of(caption);
  std::set<std::pair<std::string, std::string>> present;
  for (const SceneObject& object : scene.objects)
    present.emplace(name(object.colour), name(object.kind));
  return present.contains({words[1], words[2]}) && present.contains({words[5], words[6]});
}

void expect_box(const Json& entry, const Scene& scene) {
  const int x = entry["bbox_x"], y = entry["bbox_y"], w = entry["bbox_w"], h = entry["bbox_h"];
  EXPECT_EQ(w, h);
  EXPECT_GE(x, 0);
  EXPECT_GE(y, 0);
  EXPECT_LE(x + w, kSide);
  EXPECT_LE(y + h, kSide);
  size_t inside = 0;
  for (const SceneObject& object : scene.objects) {
    const double half = object.extent / 2 * kSide;
    inside += object.x * kSide - half >= x - 1 && object.x * kSide + half <= x + w + 1 &&
              object.y * kSide - half >= y - 1 && object.y * kSide + half <= y + h + 1;
  }
  EXPECT_GE(inside, 2) << scene.id();
  EXPECT_EQ(entry["image_path"], scene.id() + ".jpg");
}

TEST(Aro, RelationSwapsAreTrueAndFalse) {
  std::map<std::string, int> relations;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Scene scene = make_scene(11, i);
    Json cases = Json::array();
    add_relation_cases(scene, kSide, cases);
    for (const Json& entry : cases) {
      expect_box(entry, scene);
      const std::string relation = entry["relation_name"];
      ++relations[relation];
      const std::string right = entry["true_caption"], wrong = entry["false_caption"];
      EXPECT_NE(right.find(" is " + relation + " the "), std::string::npos) << right;
      EXPECT_NE(wrong.find(" is " + relation + " the "), std::string::npos) << wrong;
      EXPECT_TRUE(relation_holds(scene, right)) << scene.id() << ": " << right;
      EXPECT_FALSE(relation_holds(scene, wrong)) << scene.id() << ": " << wrong;
    }
  }
  ASSERT_EQ(relations.size(), 4);
  for (const auto& [relation, count] : relations) EXPECT_GT(count, 300) << relation;
}

TEST(Aro, AttributionSwapsAreTrueAndFalse) {
  int count = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Scene scene = make_scene(12, i);
    Json cases = Json::array();
    add_attribution_cases(scene, kSide, cases);
    for (const Json& entry : cases) {
      expect_box(entry, scene);
      const std::string right = entry["true_caption"], wrong = entry["false_caption"];
      EXPECT_EQ(words_of(right)[1], entry["attributes"][0]);
      EXPECT_EQ(words_of(right)[5], entry["attributes"][1]);
      EXPECT_TRUE(attributes_hold(scene, right)) << scene.id() << ": " << right;
      // Neither of the swapped objects is in the picture.
      const std::vector<std::string> words = words_of(wrong);
      for (const SceneObject& object : scene.objects) {
        for (const size_t at : {1U, 5U}) {
          EXPECT_FALSE(name(object.colour) == words[at] && name(object.kind) == words[at + 1])
              << scene.id() << ": " << wrong;
        }
      }
      ++count;
    }
  }
  EXPECT_GT(count, 1500);
}

}  // namespace
}  // namespace paraclip::scenes
