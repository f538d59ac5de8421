#include "examples/scenes/captions.h"

#include "examples/scenes/phrases.h"
#include "examples/scenes/random.h"
#include "examples/scenes/web_noise.h"

#include <fmt/format.h>

#include <sstream>

namespace paraclip::scenes {
namespace {

constexpr uint64_t kWebPurpose = 2;
constexpr uint64_t kPlainPurpose = 3;
constexpr int kAttempts = 24;

size_t count_words(const std::string& text) {
  std::istringstream stream(text);
  size_t words = 0;
  for (std::string word; stream >> word;) ++words;
  return words;
}

bool horizontal(Relation relation) {
  return relation == Relation::kLeftOf || relation == Relation::kRightOf;
}

// "on the left", "at the top": where the first of a pair is in the picture.
std::string_view side(Relation relation) {
  switch (relation) {
    case Relation::kLeftOf: return "on the left";
    case Relation::kRightOf: return "on the right";
    case Relation::kAbove: return "at the top";
    case Relation::kBelow: return "at the bottom";
  }
  return "";
}

// What every caption of a scene with one object says.
std::string plain_single(Phrases& phrases, Random& random) {
  const std::string object = phrases.an_object(0);
  const std::string place = phrases.place(0.8);
  switch (random.below(4)) {
    case 0: return object + place;
    case 1: return "there is " + object + place;
    case 2: return "a picture of " + object + place;
    default: return object + " is in the picture";
  }
}

std::string plain_pair(const RelatedPair& pair, Phrases& phrases, Random& random) {
  const std::string first = phrases.an_object(pair.first);
  const std::string second = phrases.an_object(pair.second);
  const std::string relation = phrases.pick(words_for(pair.relation));
  const std::string place = phrases.place(0.5);
  switch (random.below(6)) {
    case 0: return fmt::format("there is {} {} {}{}", first, relation, second, place);
    case 1: return fmt::format("{} is {} {}{}", first, relation, second, place);
    case 2: return fmt::format("a picture of {} {} {}{}", first, relation, second, place);
    case 3: return fmt::format("{} and {}{}", first, second, place);
    case 4:
      return fmt::format("{} {} and {} {}", first, side(pair.relation), second,
                         side(inverse(pair.relation)));
    default: return fmt::format("{} {} {}{}", first, relation, second, place);
  }
}

std::string plain_three(const std::vector<RelatedPair>& pairs, Phrases& phrases, Random& random) {
  const std::vector<size_t> line = phrases.line_of_three();
  if (!line.empty() && random.chance(0.45)) {
    return fmt::format("{} between {} and {}", phrases.an_object(line[0]),
                       phrases.an_object(line[1]), phrases.an_object(line[2]));
  }
  if (!pairs.empty() && random.chance(0.6))
    return plain_pair(pairs[random.below(pairs.size())], phrases, random);
  const size_t first = random.below(3);
  return fmt::format("{}, {} and {}{}", phrases.an_object(first),
                     phrases.an_object((first + 1) % 3), phrases.an_object((first + 2) % 3),
                     phrases.place(0.4));
}

std::string plain(const Scene& scene, Phrases& phrases, Random& random) {
  if (scene.objects.size() == 1) return plain_single(phrases, random);
  const std::vector<RelatedPair> pairs = phrases.related_pairs();
  if (scene.objects.size() == 2 && !pairs.empty())
    return plain_pair(pairs[random.below(pairs.size())], phrases, random);
  if (scene.objects.size() == 2)
    return phrases.an_object(0) + " and " + phrases.an_object(1) + phrases.place(0.5);
  return plain_three(pairs, phrases, random);
}

std::string web_single(const Scene& scene, Phrases& phrases, Random& random) {
  const std::string object = phrases.object(0);
  switch (random.below(3)) {
    case 0: return object + phrases.place(0.7);
    case 1: return object + ", " + phrases.pick(tags_for(scene.background));
    default: return object + " " + phrases.pick(tags_for(scene.background));
  }
}

std::string web_pair(const RelatedPair& pair, const Scene& scene, Phrases& phrases,
                     Random& random) {
  const std::string first = phrases.object(pair.first);
  const std::string second = phrases.object(pair.second);
  const std::string relation = phrases.pick(words_for(pair.relation));
  const std::string tag = phrases.pick(tags_for(scene.background));
  const bool level = horizontal(pair.relation);
  switch (random.zipf(9)) {
    case 0:
    case 1: return fmt::format("{} {} {}{}", first, relation, second, phrases.place(0.3));
    case 2: return fmt::format("{} {} {} {}", first, relation, second, tag);
    case 3: return fmt::format("{} and {}{}", first, second, phrases.place(0.5));
    case 4: return fmt::format("{}, {}, {}", first, second, tag);
    case 5: return fmt::format("{} {}, {}", first, side(pair.relation), second);
    case 6:
      return fmt::format("{} with {} {}", second, first,
                         level ? side(pair.relation) : relation + " it");
    case 7: return fmt::format("{} & {}, {}", first, second, tag);
    default: return fmt::format("{} | {} | {}", first, second, tag);
  }
}

std::string web_three(const std::vector<RelatedPair>& pairs, const Scene& scene, Phrases& phrases,
                      Random& random) {
  const std::vector<size_t> line = phrases.line_of_three();
  if (!line.empty() && random.chance(0.35)) {
    return fmt::format("{} between {} and {}", phrases.object(line[0]), phrases.object(line[1]),
                       phrases.object(line[2]));
  }
  if (!pairs.empty() && random.chance(0.6)) {
    const RelatedPair& pair = pairs[random.below(pairs.size())];
    std::string text = web_pair(pair, scene, phrases, random);
    const size_t third = 3 - pair.first - pair.second;
    return random.chance(0.5) ? text + ", " + phrases.object(third) : text;
  }
  return fmt::format("{}, {}, {}", phrases.object(0), phrases.object(1), phrases.object(2));
}

std::string web(const Scene& scene, Phrases& phrases, Random& random) {
  const std::vector<RelatedPair> pairs = phrases.related_pairs();
  std::string text;
  if (scene.objects.size() == 1) {
    text = web_single(scene, phrases, random);
  } else if (scene.objects.size() == 3) {
    text = web_three(pairs, scene, phrases, random);
  } else if (pairs.empty()) {
    text = phrases.object(0) + ", " + phrases.object(1);
  } else {
    text = web_pair(pairs[random.below(pairs.size())], scene, phrases, random);
  }
  return add_web_noise(text, random);
}

}  // namespace

std::string write_caption(const Scene& scene, CaptionStyle style, uint64_t variant) {
  const uint64_t purpose = style == CaptionStyle::kWeb ? kWebPurpose : kPlainPurpose;
  Random random(mix64(scene_key(scene, purpose) ^ variant));
  std::string text;
  // A caption that is too long or too short is written again with less detail.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Phrases phrases(scene, random,
                    style == CaptionStyle::kWeb ? Vocabulary::kCommon : Vocabulary::kRich,
                    /*detail=*/1 - static_cast<double>(attempt) / kAttempts);
    text =
        style == CaptionStyle::kWeb ? web(scene, phrases, random) : plain(scene, phrases, random);
    const size_t words = count_words(text);
    if (words >= kMinCaptionWords && words <= kMaxCaptionWords) break;
  }
  return text;
}

}  // namespace paraclip::scenes
