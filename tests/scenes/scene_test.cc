#include "examples/scenes/scene.h"

#include "examples/scenes/draw.h"
#include "paraclip/base/error.h"

#include <gtest/gtest.h>

#include <set>

namespace paraclip::scenes {
namespace {

constexpr uint64_t kScenes = 3000;

TEST(Scene, IsAFunctionOfSeedAndIndex) {
  const Json scene = make_scene(7, 42).to_json();
  make_scene(7, 41);
  EXPECT_EQ(make_scene(7, 42).to_json(), scene);
  EXPECT_NE(make_scene(7, 43).to_json(), scene);
  EXPECT_NE(make_scene(8, 42).to_json(), scene);
  EXPECT_EQ(make_scene(7, 42).id(), "7-000042");
}

TEST(Scene, EveryValueAppearsAndObjectsLieInsideWithoutTouching) {
  std::set<std::pair<int, int>> values;
  std::set<size_t> counts;
  for (uint64_t i = 0; i < kScenes; ++i) {
    const Scene scene = make_scene(1, i);
    counts.insert(scene.objects.size());
    values.insert({0, static_cast<int>(scene.background)});
    for (size_t a = 0; a < scene.objects.size(); ++a) {
      const SceneObject& object = scene.objects[a];
      values.insert({1, static_cast<int>(object.kind)});
      values.insert({2, static_cast<int>(object.colour)});
      values.insert({3, static_cast<int>(object.size)});
      values.insert({4, static_cast<int>(object.pattern)});
      for (const double centre : {object.x, object.y}) {
        EXPECT_GE(centre - object.extent / 2, 0) << scene.id();
        EXPECT_LE(centre + object.extent / 2, 1) << scene.id();
      }
      for (size_t b = 0; b < a; ++b) {
        const SceneObject& other = scene.objects[b];
        const double apart = (object.extent + other.extent) / 2;
        EXPECT_TRUE(std::abs(object.x - other.x) > apart || std::abs(object.y - other.y) > apart)
            << scene.id();
        EXPECT_FALSE(object.kind == other.kind && object.colour == other.colour) << scene.id();
      }
    }
  }
  EXPECT_EQ(values.size(), kBackgrounds + kKinds + kColours + kSizes + kPatterns);
  EXPECT_EQ(counts, (std::set<size_t>{1, 2, 3}));
}

TEST(Scene, TwoObjectsAlwaysHaveARelationAndItIsTrue) {
  for (uint64_t i = 0; i < kScenes; ++i) {
    const Scene scene = make_scene(2, i);
    for (const SceneObject& a : scene.objects) {
      for (const SceneObject& b : scene.objects) {
        if (&a == &b) continue;
        const auto relation = relation_between(a, b);
        if (scene.objects.size() == 2) {
          ASSERT_TRUE(relation) << scene.id();
        }
        if (!relation) continue;
        ASSERT_EQ(relation_between(b, a), inverse(*relation)) << scene.id();
        const double dx = b.x - a.x;
        const double dy = b.y - a.y;
        // The right way, by a clear margin, and not another way as well.
        if (*relation == Relation::kLeftOf) {
          ASSERT_GT(dx, 0.2);
        }
        if (*relation == Relation::kRightOf) {
          ASSERT_LT(dx, -0.2);
        }
        if (*relation == Relation::kAbove) {
          ASSERT_GT(dy, 0.2);
        }
        if (*relation == Relation::kBelow) {
          ASSERT_LT(dy, -0.2);
        }
        const bool level = *relation == Relation::kLeftOf || *relation == Relation::kRightOf;
        ASSERT_GT(level ? std::abs(dx) : std::abs(dy), level ? std::abs(dy) : std::abs(dx));
      }
    }
  }
}

TEST(Draw, GivesTheSamePixelsTwiceAndOthersForAnotherScene) {
  const Image first = draw_scene(make_scene(3, 5), 96);
  EXPECT_EQ(first.width, 96);
  EXPECT_EQ(first.height, 96);
  EXPECT_EQ(first.mode, PixelMode::kRgb);
  draw_scene(make_scene(3, 4), 96);
  EXPECT_EQ(draw_scene(make_scene(3, 5), 96).pixels, first.pixels);
  EXPECT_NE(draw_scene(make_scene(3, 6), 96).pixels, first.pixels);
}

// Looks at the picture itself: where it differs from one without the object, and in which colour.
TEST(Draw, PutsEachObjectWhereTheRecordSaysInItsColour) {
  constexpr int kSide = 128;
  size_t plain_balls = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const Scene scene = make_scene(4, i);
    const Image full = draw_scene(scene, kSide);
    Scene without = scene;
    const SceneObject object = without.objects.back();
    without.objects.pop_back();
    const Image empty = draw_scene(without, kSide);
    int left = kSide, right = -1, top = kSide, bottom = -1;
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        if (std::equal(full.row(y) + 3 * x, full.row(y) + 3 * x + 3, empty.row(y) + 3 * x))
          continue;
        left = std::min(left, x);
        right = std::max(right, x);
        top = std::min(top, y);
        bottom = std::max(bottom, y);
      }
    }
    ASSERT_LE(left, right) << scene.id();
    const double slack = 0.08 * kSide;
    EXPECT_NEAR((left + right) / 2.0, object.x * kSide, slack) << scene.id();
    EXPECT_NEAR((top + bottom) / 2.0, object.y * kSide, slack) << scene.id();
    EXPECT_LT(right - left, object.extent * kSide * 1.35) << scene.id();
    EXPECT_LT(bottom - top, object.extent * kSide * 1.35) << scene.id();
    if (object.kind != Kind::kBall || object.pattern != Pattern::kPlain) continue;
    const uint8_t* middle = full.row(static_cast<int>(object.y * kSide)) +
                            3 * static_cast<int>((object.x + 0.22 * object.extent) * kSide);
    if (object.colour == Colour::kRed) {
      EXPECT_GT(middle[0], 2 * middle[2]) << scene.id();
    }
    if (object.colour == Colour::kBlue) {
      EXPECT_GT(middle[2], 2 * middle[0]) << scene.id();
    }
    if (object.colour == Colour::kBlack) {
      EXPECT_LT(middle[1], 60) << scene.id();
    }
    if (object.colour == Colour::kWhite) {
      EXPECT_GT(middle[1], 150) << scene.id();
    }
    ++plain_balls;
  }
  EXPECT_GT(plain_balls, 5);
}

TEST(Draw, RefusesSizesThatMakeNoSense) {
  EXPECT_THROW(draw_scene(make_scene(0, 0), 0), Error);
  EXPECT_THROW(draw_scene(make_scene(0, 0), 100000), Error);
}

}  // namespace
}  // namespace paraclip::scenes
