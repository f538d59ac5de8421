#include "examples/scenes/phrases.h"

#include <fmt/format.h>

namespace paraclip::scenes {

std::string with_article(const std::string& phrase) {
  const bool vowel = std::string_view("aeiou").find(phrase.front()) != std::string_view::npos;
  return (vowel ? "an " : "a ") + phrase;
}

bool Phrases::kind_is_clear(size_t index) const {
  for (size_t i = 0; i < scene_.objects.size(); ++i) {
    if (i != index && scene_.objects[i].kind == scene_.objects[index].kind) return false;
  }
  return true;
}

std::string Phrases::object(size_t index) {
  const SceneObject& object = scene_.objects[index];
  std::string phrase;
  const bool size = random_.chance(detail_ * (object.size == Size::kMedium ? 0.06 : 0.34));
  const bool pattern = random_.chance(detail_ * (object.pattern == Pattern::kPlain ? 0.05 : 0.6));
  const bool colour = !kind_is_clear(index) || random_.chance(0.93);
  if (size) phrase += pick(words_for(object.size)) + " ";
  if (pattern) phrase += pick(words_for(object.pattern)) + " ";
  if (colour) phrase += pick(words_for(object.colour)) + " ";
  return phrase + pick(words_for(object.kind));
}

std::string Phrases::an_object(size_t index) { return with_article(object(index)); }

std::string Phrases::place(double share) {
  if (!random_.chance(detail_ * share)) return "";
  return fmt::format(" {}", pick(places_for(scene_.background)));
}

std::vector<RelatedPair> Phrases::related_pairs() const {
  std::vector<RelatedPair> pairs;
  for (size_t i = 0; i < scene_.objects.size(); ++i) {
    for (size_t j = 0; j < scene_.objects.size(); ++j) {
      if (i == j) continue;
      if (const auto relation = relation_between(scene_.objects[i], scene_.objects[j]))
        pairs.push_back({i, j, *relation});
    }
  }
  return pairs;
}

std::vector<size_t> Phrases::line_of_three() const {
  if (scene_.objects.size() != 3) return {};
  const auto relation = [this](size_t a, size_t b) {
    return relation_between(scene_.objects[a], scene_.objects[b]);
  };
  for (size_t middle = 0; middle < 3; ++middle) {
    const size_t a = (middle + 1) % 3;
    const size_t b = (middle + 2) % 3;
    const auto before = relation(a, middle);
    if (before && before == relation(middle, b) && before == relation(a, b)) return {middle, a, b};
  }
  return {};
}

}  // namespace paraclip::scenes
