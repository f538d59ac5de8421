#include "examples/scenes/scene.h"

#include "examples/scenes/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace paraclip::scenes {
namespace {

constexpr std::array<std::string_view, kKinds> kKindNames = {
    "ball", "box", "car",  "boat",   "house",    "tree",  "fish",
    "bird", "cup", "star", "flower", "umbrella", "chair", "hat"};
constexpr std::array<std::string_view, kColours> kColourNames = {
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"};
constexpr std::array<std::string_view, kSizes> kSizeNames = {"small", "medium", "large"};
constexpr std::array<std::string_view, kPatterns> kPatternNames = {"plain", "striped", "dotted",
                                                                   "checkered"};
constexpr std::array<std::string_view, kBackgrounds> kBackgroundNames = {
    "grass", "sand", "water", "night sky", "snow", "wooden floor", "brick wall", "gray"};
constexpr std::array<std::string_view, kRelations> kRelationNames = {"left of", "right of", "above",
                                                                     "below"};

constexpr std::array<double, kSizes> kExtents = {0.24, 0.34, 0.46};
constexpr double kMargin = 0.02;  // Between objects, and to the edge.

// Where objects may stand: rows from top to bottom, each with so many objects side by side.
using Layout = std::vector<size_t>;

template <typename Enum>
Enum pick(Random& random, size_t count) {
  return static_cast<Enum>(random.below(count));
}

Layout pick_layout(Random& random) {
  const double draw = random.uniform();
  if (draw < 0.14) return {1};
  if (draw < 0.44) return {2};
  if (draw < 0.74) return {1, 1};
  if (draw < 0.83) return {3};
  if (draw < 0.88) return {1, 1, 1};
  if (draw < 0.94) return {1, 2};
  return {2, 1};
}

SceneObject pick_object(Random& random) {
  SceneObject object{};
  object.kind = pick<Kind>(random, kKinds);
  object.colour = pick<Colour>(random, kColours);
  object.size = pick<Size>(random, kSizes);
  object.pattern =
      random.chance(0.52) ? Pattern::kPlain : static_cast<Pattern>(1 + random.below(kPatterns - 1));
  object.extent = kExtents[static_cast<size_t>(object.size)] * random.uniform(0.95, 1.05);
  object.rotation = random.uniform(-1, 1) * 8 * std::numbers::pi / 180;
  for (double& channel : object.tint) channel = random.uniform(-0.035, 0.035);
  return object;
}

bool fits(const std::vector<SceneObject>& objects, const Layout& layout) {
  double height = kMargin;
  size_t first = 0;
  for (const size_t count : layout) {
    double width = kMargin;
    double tallest = 0;
    for (size_t i = first; i < first + count; ++i) {
      width += objects[i].extent + kMargin;
      tallest = std::max(tallest, objects[i].extent);
    }
    if (width > 1) return false;
    height += tallest + kMargin;
    first += count;
  }
  return height <= 1;
}

// Black on the night sky and white on snow are left out: one would have to guess.
bool distinct(const std::vector<SceneObject>& objects, Background background) {
  for (size_t i = 0; i < objects.size(); ++i) {
    if (background == Background::kNight && objects[i].colour == Colour::kBlack) return false;
    if (background == Background::kSnow && objects[i].colour == Colour::kWhite) return false;
    for (size_t j = 0; j < i; ++j) {
      if (objects[i].kind == objects[j].kind && objects[i].colour == objects[j].colour)
        return false;
    }
  }
  return true;
}

// Shares out what is left of [0, 1] between `extents` at random; the centre of each.
// The gaps differ from their mean by up to `unevenness`.
std::vector<double> spread(const std::vector<double>& extents, double unevenness, Random& random) {
  double left = 1 - kMargin * static_cast<double>(extents.size() + 1);
  for (const double extent : extents) left -= extent;
  std::vector<double> gaps;
  double total = 0;
  for (size_t i = 0; i <= extents.size(); ++i) {
    gaps.push_back(random.uniform(1 - unevenness, 1 + unevenness));
    total += gaps.back();
  }
  std::vector<double> centres;
  double at = 0;
  for (size_t i = 0; i < extents.size(); ++i) {
    at += kMargin + gaps[i] / total * left;
    centres.push_back(at + extents[i] / 2);
    at += extents[i];
  }
  return centres;
}

void place(std::vector<SceneObject>& objects, const Layout& layout, Random& random) {
  // Two in a column must stay in one, whatever their rows' gaps; one alone may be anywhere.
  const double unevenness = objects.size() == 1 ? 0.75 : 0.25;
  std::vector<double> heights;
  size_t first = 0;
  for (const size_t count : layout) {
    double tallest = 0;
    for (size_t i = first; i < first + count; ++i) tallest = std::max(tallest, objects[i].extent);
    heights.push_back(tallest);
    first += count;
  }
  const std::vector<double> rows = spread(heights, unevenness, random);
  first = 0;
  for (size_t row = 0; row < layout.size(); ++row) {
    std::vector<double> widths;
    for (size_t i = first; i < first + layout[row]; ++i) widths.push_back(objects[i].extent);
    const std::vector<double> columns = spread(widths, unevenness, random);
    for (size_t i = 0; i < layout[row]; ++i) {
      SceneObject& object = objects[first + i];
      // Shorter objects of a row move a little up and down within its height.
      const double slack = (heights[row] - object.extent) / 2;
      object.x = columns[i];
      object.y = rows[row] + random.uniform(-1, 1) * std::min(slack, 0.05);
    }
    first += layout[row];
  }
}

}  // namespace

std::string_view name(Kind kind) { return kKindNames[static_cast<size_t>(kind)]; }
std::string_view name(Colour colour) { return kColourNames[static_cast<size_t>(colour)]; }
std::string_view name(Size size) { return kSizeNames[static_cast<size_t>(size)]; }
std::string_view name(Pattern pattern) { return kPatternNames[static_cast<size_t>(pattern)]; }
std::string_view name(Background background) {
  return kBackgroundNames[static_cast<size_t>(background)];
}
std::string_view name(Relation relation) { return kRelationNames[static_cast<size_t>(relation)]; }

Relation inverse(Relation relation) {
  switch (relation) {
    case Relation::kLeftOf: return Relation::kRightOf;
    case Relation::kRightOf: return Relation::kLeftOf;
    case Relation::kAbove: return Relation::kBelow;
    case Relation::kBelow: return Relation::kAbove;
  }
  return relation;
}

uint64_t scene_key(const Scene& scene, uint64_t purpose) {
  return mix64(mix64(mix64(scene.seed) ^ scene.index) ^ purpose);
}

Scene make_scene(uint64_t seed, uint64_t index) {
  Scene scene{.seed = seed, .index = index, .background = Background::kGrass, .objects = {}};
  Random random(scene_key(scene, /*purpose=*/0));
  const Layout layout = pick_layout(random);
  size_t count = 0;
  for (const size_t row : layout) count += row;
  do {
    scene.background = pick<Background>(random, kBackgrounds);
    scene.objects.clear();
    for (size_t i = 0; i < count; ++i) scene.objects.push_back(pick_object(random));
  } while (!fits(scene.objects, layout) || !distinct(scene.objects, scene.background));
  place(scene.objects, layout, random);
  return scene;
}

std::optional<Relation> relation_between(const SceneObject& a, const SceneObject& b) {
  const double dx = b.x - a.x;
  const double dy = b.y - a.y;
  const double apart = (a.extent + b.extent) / 2;
  if (std::abs(dx) >= apart && std::abs(dx) >= 1.5 * std::abs(dy))
    return dx > 0 ? Relation::kLeftOf : Relation::kRightOf;
  if (std::abs(dy) >= apart && std::abs(dy) >= 1.5 * std::abs(dx))
    return dy > 0 ? Relation::kAbove : Relation::kBelow;
  return std::nullopt;
}

std::string Scene::id() const { return fmt::format("{}-{:06}", seed, index); }

Json Scene::to_json() const {
  Json json;
  json["id"] = id();
  json["background"] = name(background);
  json["objects"] = Json::array();
  json["relations"] = Json::array();
  for (const SceneObject& object : objects) {
    json["objects"].push_back({{"kind", name(object.kind)},
                               {"colour", name(object.colour)},
                               {"size", name(object.size)},
                               {"pattern", name(object.pattern)},
                               {"x", object.x},
                               {"y", object.y},
                               {"extent", object.extent}});
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    for (size_t j = i + 1; j < objects.size(); ++j) {
      if (const auto relation = relation_between(objects[i], objects[j]))
        json["relations"].push_back({i, name(*relation), j});
    }
  }
  return json;
}

}  // namespace paraclip::scenes
