#include "examples/scenes/aro.h"

#include "examples/scenes/random.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace paraclip::scenes {
namespace {

constexpr uint64_t kOrderPurpose = 4;

bool has(const Scene& scene, Kind kind, Colour colour) {
  return std::any_of(scene.objects.begin(), scene.objects.end(), [&](const SceneObject& object) {
    return object.kind == kind && object.colour == colour;
  });
}

bool alone(const Scene& scene, Kind kind) {
  return std::count_if(scene.objects.begin(), scene.objects.end(),
                       [&](const SceneObject& object) { return object.kind == kind; }) == 1;
}

std::string_view phrase(Relation relation) {
  switch (relation) {
    case Relation::kLeftOf: return "to the left of";
    case Relation::kRightOf: return "to the right of";
    case Relation::kAbove: return "above";
    case Relation::kBelow: return "below";
  }
  return "";
}

Json new_case(const Scene& scene, const SceneObject& a, const SceneObject& b, int side) {
  const double left = std::min(a.x - a.extent / 2, b.x - b.extent / 2);
  const double right = std::max(a.x + a.extent / 2, b.x + b.extent / 2);
  const double top = std::min(a.y - a.extent / 2, b.y - b.extent / 2);
  const double bottom = std::max(a.y + a.extent / 2, b.y + b.extent / 2);
  const double square = std::max(right - left, bottom - top);
  const int width = std::min(side, static_cast<int>(std::ceil(square * side)));
  const auto begin = [&](double centre) {
    return std::clamp(static_cast<int>(std::lround(centre * side - width / 2.0)), 0, side - width);
  };
  return {{"image_path", scene.id() + ".jpg"},
          {"bbox_x", begin((left + right) / 2)},
          {"bbox_y", begin((top + bottom) / 2)},
          {"bbox_w", width},
          {"bbox_h", width}};
}

// Calls `add` with each two objects of different kinds, in an order that chance decides.
template <typename Add>
void for_each_pair(const Scene& scene, Add add) {
  Random random(scene_key(scene, kOrderPurpose));
  for (size_t i = 0; i < scene.objects.size(); ++i) {
    for (size_t j = i + 1; j < scene.objects.size(); ++j) {
      const bool turned = random.chance(0.5);
      const SceneObject& a = scene.objects[turned ? j : i];
      const SceneObject& b = scene.objects[turned ? i : j];
      if (a.kind != b.kind) add(a, b);
    }
  }
}

}  // namespace

void add_relation_cases(const Scene& scene, int side, Json& cases) {
  for_each_pair(scene, [&](const SceneObject& a, const SceneObject& b) {
    const auto relation = relation_between(a, b);
    if (!relation || !alone(scene, a.kind) || !alone(scene, b.kind)) return;
    const auto say = [&](Kind first, Kind second) {
      return fmt::format("the {} is {} the {}", name(first), phrase(*relation), name(second));
    };
    Json entry = new_case(scene, a, b, side);
    entry["relation_name"] = phrase(*relation);
    entry["true_caption"] = say(a.kind, b.kind);
    entry["false_caption"] = say(b.kind, a.kind);
    cases.push_back(std::move(entry));
  });
}

void add_attribution_cases(const Scene& scene, int side, Json& cases) {
  for_each_pair(scene, [&](const SceneObject& a, const SceneObject& b) {
    if (has(scene, a.kind, b.colour) || has(scene, b.kind, a.colour)) return;
    const auto say = [&](Colour first, Colour second) {
      return fmt::format("the {} {} and the {} {}", name(first), name(a.kind), name(second),
                         name(b.kind));
    };
    Json entry = new_case(scene, a, b, side);
    entry["attributes"] = {name(a.colour), name(b.colour)};
    entry["true_caption"] = say(a.colour, b.colour);
    entry["false_caption"] = say(b.colour, a.colour);
    cases.push_back(std::move(entry));
  });
}

}  // namespace paraclip::scenes
