#pragma once

#include "paraclip/base/json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Small drawn scenes with captions: a data set of any size that one can look at, made from a seed.
namespace paraclip::scenes {

enum class Kind {
  kBall,
  kBox,
  kCar,
  kBoat,
  kHouse,
  kTree,
  kFish,
  kBird,
  kCup,
  kStar,
  kFlower,
  kUmbrella,
  kChair,
  kHat
};
enum class Colour { kRed, kOrange, kYellow, kGreen, kBlue, kPurple, kPink, kBrown, kBlack, kWhite };
enum class Size { kSmall, kMedium, kLarge };
enum class Pattern { kPlain, kStriped, kDotted, kCheckered };
enum class Background { kGrass, kSand, kWater, kNight, kSnow, kWood, kBrick, kGray };
enum class Relation { kLeftOf, kRightOf, kAbove, kBelow };

inline constexpr size_t kKinds = 14;
inline constexpr size_t kColours = 10;
inline constexpr size_t kSizes = 3;
inline constexpr size_t kPatterns = 4;
inline constexpr size_t kBackgrounds = 8;
inline constexpr size_t kRelations = 4;

/// The plain word: "ball", "red", "small", "striped", "grass", "left of".
std::string_view name(Kind kind);
std::string_view name(Colour colour);
std::string_view name(Size size);
std::string_view name(Pattern pattern);
std::string_view name(Background background);
std::string_view name(Relation relation);

/// The relation seen from the other side: left of and right of, above and below.
Relation inverse(Relation relation);

/// A drawn thing. Lengths are in units of the canvas's side, x to the right, y down.
struct SceneObject {
  Kind kind;
  Colour colour;
  Size size;
  Pattern pattern;
  double x, y;      ///< Its centre.
  double extent;    ///< Side of the square that it is drawn in.
  double rotation;  ///< In radians, clockwise.
  double tint[3];   ///< Added to the red, green and blue of its colour.
};

/// One to three objects on a background. No two of them are of the same kind and colour.
struct Scene {
  uint64_t seed;
  uint64_t index;
  Background background;
  std::vector<SceneObject> objects;

  /// "7-000042": the seed and the index, the name of its files.
  std::string id() const;

  /// The true content: id, background, and of each object kind, colour, size, pattern and box; the
  /// relations as [object, relation, object].
  Json to_json() const;
};

/// Scene `index` of `seed`, always the same.
Scene make_scene(uint64_t seed, uint64_t index);

/// How `a` lies to `b` on the picture plane, where that is beyond doubt: their boxes do not meet
/// along one axis, and the centres differ much more along it than along the other.
std::optional<Relation> relation_between(const SceneObject& a, const SceneObject& b);

/// A key for Random that belongs to this scene and `purpose` alone.
uint64_t scene_key(const Scene& scene, uint64_t purpose);

}  // namespace paraclip::scenes
