#include "examples/scenes/captions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace paraclip::scenes {
namespace {

constexpr uint64_t kScenes = 1500;
constexpr uint64_t kVariants = 6;

// A lexicon of the test's own: what a reader takes each word for.
const std::map<std::string, std::string>& meanings() {
  static const auto* kMeanings = [] {
    const std::map<std::string, std::string> words_of = {
        {"ball", "ball sphere orb globe"},
        {"box", "box cube crate package carton parcel"},
        {"car", "car automobile vehicle auto sedan motorcar"},
        {"boat", "boat sailboat ship yacht vessel dinghy"},
        {"house", "house home cottage cabin hut dwelling"},
        {"tree", "tree sapling oak"},
        {"fish", "fish fishy minnow trout"},
        {"bird", "bird birdie songbird chick sparrow"},
        {"cup", "cup mug teacup"},
        {"star", "star pentagram"},
        {"flower", "flower blossom bloom daisy"},
        {"umbrella", "umbrella parasol brolly sunshade"},
        {"chair", "chair seat armchair stool"},
        {"hat", "hat cap fedora headgear trilby"},
        {"red", "red crimson scarlet ruby cherry"},
        {"orange", "orange tangerine amber pumpkin apricot"},
        {"yellow", "yellow golden lemon canary"},
        {"green", "green emerald jade leaf-green"},
        {"blue", "blue navy azure cobalt sapphire"},
        {"purple", "purple violet lilac plum mauve"},
        {"pink", "pink rosy magenta blush fuchsia"},
        {"brown", "brown chocolate chestnut coffee-colored umber"},
        {"black", "black ebony jet-black onyx inky"},
        {"white", "white ivory pearly cream chalk-white"},
        {"small", "small little tiny mini miniature"},
        {"medium", "medium medium-sized mid-sized"},
        {"large", "large big huge giant oversized"},
        {"plain", "plain solid unpatterned"},
        {"striped", "striped stripy banded pinstriped"},
        {"dotted", "dotted spotted polka-dot speckled"},
        {"checkered", "checkered checked chequered checkerboard plaid"},
        {"grass", "grass lawn meadow field"},
        {"sand", "sand beach desert seaside"},
        {"water", "water sea lake waves ocean"},
        {"night sky", "night stars dark moonlight"},
        {"snow", "snow winter snowy"},
        {"wooden floor", "wooden wood floorboards planks"},
        {"brick wall", "brick bricks brickwork"},
        {"gray", "gray grey"},
    };
    auto* by_word = new std::map<std::string, std::string>;
    for (const auto& [meaning, words] : words_of) {
      std::istringstream stream(words);
      for (std::string word; stream >> word;) (*by_word)[word] = meaning;
    }
    return by_word;
  }();
  return *kMeanings;
}

std::string meaning(const std::string& word) {
  const auto found = meanings().find(word);
  return found == meanings().end() ? "" : found->second;
}

std::string lower(std::string text) {
  for (char& letter : text)
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

// Words and commas, in lower case.
std::vector<std::string> tokens(const std::string& text) {
  std::vector<std::string> result;
  std::string word;
  for (const char letter : lower(text) + " ") {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '-') {
      word += letter;
      continue;
    }
    if (!word.empty()) result.push_back(word);
    word.clear();
    if (letter == ',') result.emplace_back(",");
  }
  return result;
}

size_t count_words(const std::string& text) {
  std::istringstream stream(text);
  size_t count = 0;
  for (std::string word; stream >> word;) ++count;
  return count;
}

bool is_one_of(const std::string& value, const std::vector<std::string>& all) {
  return std::find(all.begin(), all.end(), value) != all.end();
}

const std::vector<std::string> kKindNames = {"ball", "box",    "car",      "boat", "house",
                                             "tree", "fish",   "bird",     "cup",  "star",
                                             "hat",  "flower", "umbrella", "chair"};
const std::vector<std::string> kAttributes = {
    "red",   "orange", "yellow", "green", "blue",  "purple",  "pink",   "brown",    "black",
    "white", "small",  "medium", "large", "plain", "striped", "dotted", "checkered"};
const std::vector<std::string> kPlaces = {"grass", "sand",         "water",      "night sky",
                                          "snow",  "wooden floor", "brick wall", "gray"};

// An object as a caption speaks of it, and the words between it and the one before.
struct Mention {
  std::string kind;
  std::set<std::string> attributes;
  std::string before;
};

struct Reading {
  std::vector<Mention> mentions;
  std::set<std::string> places;
  std::string end;
};

Reading read(const std::string& caption) {
  Reading reading;
  Mention mention;
  const std::vector<std::string> words = tokens(caption);
  for (size_t i = 0; i < words.size(); ++i) {
    std::string sense = meaning(words[i]);
    // "round ball", "leafy tree", "coffee mug" are read by their last word; two senses by hand:
    if (words[i] == "star" && i + 1 < words.size() && words[i + 1] == "shape") sense = "star";
    // "on a plain gray background", "in a green field" say nothing of an object.
    if (i + 1 < words.size() && is_one_of(meaning(words[i + 1]), kPlaces)) {
      if (is_one_of(sense, kAttributes)) sense = "";
    }
    if (is_one_of(sense, kKindNames)) {
      mention.kind = sense;
      reading.mentions.push_back(mention);
      mention = {};
    } else if (is_one_of(sense, kAttributes)) {
      mention.attributes.insert(sense);
    } else if (is_one_of(sense, kPlaces)) {
      reading.places.insert(sense);
    } else {
      mention.before += words[i] + " ";
    }
  }
  reading.end = mention.before;
  return reading;
}

std::set<std::string> attributes_of(const SceneObject& object) {
  return {std::string(name(object.colour)), std::string(name(object.size)),
          std::string(name(object.pattern))};
}

// The objects that a mention may mean.
std::vector<const SceneObject*> meant(const Mention& mention, const Scene& scene) {
  std::vector<const SceneObject*> objects;
  for (const SceneObject& object : scene.objects) {
    const std::set<std::string> attributes = attributes_of(object);
    if (name(object.kind) == mention.kind &&
        std::includes(attributes.begin(), attributes.end(), mention.attributes.begin(),
                      mention.attributes.end()))
      objects.push_back(&object);
  }
  return objects;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Whether `a` lies to `b` as the words between them say; by the centres alone.
void expect_relation(const std::string& between, const std::string& end, const SceneObject& a,
                     const SceneObject& b, const std::string& where) {
  if (has(between, "left")) {
    EXPECT_LT(a.x + 0.2, b.x) << where;
  }
  if (has(between, "right")) {
    EXPECT_GT(a.x, b.x + 0.2) << where;
  }
  for (const char* word : {"above", "over", "higher", "top"}) {
    if (has(between, word)) {
      EXPECT_LT(a.y + 0.2, b.y) << where;
    }
  }
  for (const char* word : {"below", "under", "beneath", "lower", "bottom"}) {
    if (has(between, word)) {
      EXPECT_GT(a.y, b.y + 0.2) << where;
    }
  }
  if (has(end, "on the right")) {
    EXPECT_LT(a.x + 0.2, b.x) << where;
  }
  if (has(end, "on the left")) {
    EXPECT_GT(a.x, b.x + 0.2) << where;
  }
  if (has(end, "at the bottom")) {
    EXPECT_LT(a.y + 0.2, b.y) << where;
  }
  if (has(end, "at the top")) {
    EXPECT_GT(a.y, b.y + 0.2) << where;
  }
}

void expect_between(const SceneObject& middle, const SceneObject& a, const SceneObject& b,
                    const std::string& where) {
  const bool by_x = (a.x < middle.x) == (middle.x < b.x) && std::abs(a.x - b.x) > 0.4;
  const bool by_y = (a.y < middle.y) == (middle.y < b.y) && std::abs(a.y - b.y) > 0.4;
  EXPECT_TRUE(by_x || by_y) << where;
}

TEST(Captions, PlainOnesSayWhatTheSceneHolds) {
  size_t relations = 0;
  size_t places = 0;
  size_t betweens = 0;
  for (uint64_t i = 0; i < kScenes; ++i) {
    const Scene scene = make_scene(21, i);
    for (uint64_t variant = 0; variant < kVariants; ++variant) {
      const std::string caption = write_caption(scene, CaptionStyle::kPlain, variant);
      const std::string where = scene.id() + ": " + caption;
      const Reading reading = read(caption);
      ASSERT_FALSE(reading.mentions.empty()) << where;
      ASSERT_LE(reading.mentions.size(), scene.objects.size()) << where;
      if (scene.objects.size() == 2) {
        EXPECT_EQ(reading.mentions.size(), 2) << where;
      }
      std::vector<const SceneObject*> objects;
      for (const Mention& mention : reading.mentions) {
        const auto candidates = meant(mention, scene);
        ASSERT_EQ(candidates.size(), 1) << where << " (" << mention.kind << ")";
        EXPECT_EQ(std::find(objects.begin(), objects.end(), candidates.front()), objects.end())
            << where;
        objects.push_back(candidates.front());
      }
      for (const std::string& place : reading.places) {
        EXPECT_EQ(place, name(scene.background)) << where;
        ++places;
      }
      if (objects.size() == 2) {
        const std::string& between = reading.mentions[1].before;
        relations += has(between, "left") || has(between, "above");
        expect_relation(between, reading.end, *objects[0], *objects[1], where);
      } else if (objects.size() == 3 && has(reading.mentions[1].before, "between")) {
        expect_between(*objects[0], *objects[1], *objects[2], where);
        ++betweens;
      }
    }
  }
  EXPECT_GT(relations, 1000);
  EXPECT_GT(places, 1000);
  EXPECT_GT(betweens, 100);
}

TEST(Captions, WebOnesNameNoOtherKindAndMostlyEveryObject) {
  size_t complete = 0;
  size_t total = 0;
  for (uint64_t i = 0; i < kScenes; ++i) {
    const Scene scene = make_scene(22, i);
    for (uint64_t variant = 0; variant < kVariants; ++variant) {
      const std::string caption = write_caption(scene, CaptionStyle::kWeb, variant);
      std::string spaced = lower(caption);
      for (char& letter : spaced) {
        if (letter == '_' || letter == '.') letter = ' ';
      }
      std::set<std::string> kinds;
      for (const SceneObject& object : scene.objects) kinds.emplace(name(object.kind));
      std::set<std::string> named;
      for (const std::string& word : tokens(spaced)) {
        if (is_one_of(meaning(word), kKindNames)) named.insert(meaning(word));
      }
      for (const std::string& kind : named) {
        EXPECT_TRUE(kinds.contains(kind)) << scene.id() << ": " << caption;
      }
      complete += named == kinds;
      ++total;
    }
  }
  EXPECT_GT(complete, total * 8 / 10);
}

TEST(Captions, AreThreeToFifteenWordsAndDeterministic) {
  for (const CaptionStyle style : {CaptionStyle::kWeb, CaptionStyle::kPlain}) {
    for (uint64_t i = 0; i < kScenes; ++i) {
      const Scene scene = make_scene(23, i);
      std::set<std::string> distinct;
      for (uint64_t variant = 0; variant < kVariants; ++variant) {
        const std::string caption = write_caption(scene, style, variant);
        EXPECT_EQ(write_caption(scene, style, variant), caption);
        EXPECT_GE(count_words(caption), 3) << caption;
        EXPECT_LE(count_words(caption), 15) << caption;
        EXPECT_EQ(caption.find_first_of("\t\n\r"), std::string::npos) << caption;
        distinct.insert(caption);
      }
      EXPECT_GT(distinct.size(), 1) << scene.id();
    }
  }
}

std::map<std::string, int> count_caption_words(CaptionStyle style) {
  std::map<std::string, int> counts;
  for (uint64_t i = 0; i < 4000; ++i) {
    for (const std::string& word : tokens(write_caption(make_scene(24, i), style, 0)))
      ++counts[word];
  }
  return counts;
}

TEST(Captions, TheWebKnowsOneWordForAThing) {
  std::map<std::string, int> counts = count_caption_words(CaptionStyle::kWeb);
  EXPECT_GT(counts["box"], 100);
  EXPECT_GT(counts["red"], 100);
  for (const char* word : {"cube", "parcel", "crimson", "little", "underneath", "lawn", "there"}) {
    EXPECT_EQ(counts[word], 0) << word;
  }
}

TEST(Captions, CommonWordsDominateInSentences) {
  std::map<std::string, int> counts = count_caption_words(CaptionStyle::kPlain);
  EXPECT_GT(counts["box"], 2 * counts["cube"]);
  EXPECT_GT(counts["cube"], counts["parcel"]);
  EXPECT_GT(counts["parcel"], 0);
  EXPECT_GT(counts["red"], 2 * counts["crimson"]);
  EXPECT_GT(counts["crimson"], counts["cherry"]);
  EXPECT_GT(counts["cherry"], 0);
}

}  // namespace
}  // namespace paraclip::scenes
