#include "paraclip/io/tsv.h"

#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace paraclip {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs read_pairs(const std::string& file) {
  TsvReader reader(std::filesystem::path(PARACLIP_SOURCE_DIR) / "examples/scenes" / file,
                   {"query", "paraphrase"});
  Pairs pairs;
  for (std::vector<std::string_view> row; reader.next(row);) pairs.emplace_back(row[0], row[1]);
  return pairs;
}

// The words in order, in lower case, without punctuation.
std::vector<std::string> words_of(const std::string& text) {
  std::string clean;
  for (const char letter : text) {
    clean += std::isalnum(static_cast<unsigned char>(letter)) != 0
                 ? static_cast<char>(std::tolower(static_cast<unsigned char>(letter)))
                 : ' ';
  }
  std::istringstream stream(clean);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

size_t count_by_space(const std::string& text) {
  std::istringstream stream(text);
  size_t count = 0;
  for (std::string word; stream >> word;) ++count;
  return count;
}

TEST(Pairs, AreEnoughAndNeitherSideAppearsTwice) {
  const Pairs test = read_pairs("pairs.tsv");
  const Pairs dev = read_pairs("pairs_dev.tsv");
  EXPECT_GE(test.size(), 320);
  EXPECT_EQ(dev.size(), 100);
  std::set<std::vector<std::string>> seen;
  for (const Pairs* pairs : {&test, &dev}) {
    for (const auto& [query, paraphrase] : *pairs) {
      for (const std::string& side : {query, paraphrase}) {
        EXPECT_GE(count_by_space(side), 3) << side;
        EXPECT_LE(count_by_space(side), 14) << side;
        EXPECT_TRUE(seen.insert(words_of(side)).second) << "twice: " << side;
      }
    }
  }
}

TEST(Pairs, NoTwoAreNearlyTheSame) {
  std::vector<std::set<std::string>> sets;
  Pairs all = read_pairs("pairs.tsv");
  for (const auto& pair : read_pairs("pairs_dev.tsv")) all.push_back(pair);
  for (const auto& [query, paraphrase] : all) {
    const std::vector<std::string> words = words_of(query + " " + paraphrase);
    sets.emplace_back(words.begin(), words.end());
  }
  for (size_t i = 0; i < sets.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      size_t shared = 0;
      for (const std::string& word : sets[i]) shared += sets[j].contains(word);
      const size_t either = sets[i].size() + sets[j].size() - shared;
      EXPECT_LE(static_cast<double>(shared), 0.8 * static_cast<double>(either))
          << all[i].first << " / " << all[j].first;
    }
  }
}

TEST(Pairs, SpeakOfTheWholeWorldOfScenes) {
  std::map<std::string, int> counts;
  for (const auto& [query, paraphrase] : read_pairs("pairs.tsv")) {
    for (const std::string& word : words_of(query + " " + paraphrase)) ++counts[word];
  }
  for (const char* word :
       {"ball",      "box",    "car",    "boat",   "house",    "tree",    "fish",
        "bird",      "cup",    "star",   "flower", "umbrella", "chair",   "hat",
        "red",       "orange", "yellow", "green",  "blue",     "purple",  "pink",
        "brown",     "black",  "white",  "small",  "large",    "striped", "dotted",
        "checkered", "plain",  "left",   "right",  "above",    "below",   "grass",
        "sand",      "water",  "night",  "snow",   "wooden",   "brick",   "gray"})
    EXPECT_GE(counts[word], 5) << word;
}

}  // namespace
}  // namespace paraclip
