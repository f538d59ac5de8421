#include "examples/scenes/lexicon.h"

#include <array>
#include <vector>

namespace paraclip::scenes {
namespace {

using List = std::vector<std::string_view>;

template <typename Enum, size_t size>
Words look_up(const std::array<List, size>& lists, Enum value) {
  return lists[static_cast<size_t>(value)];
}

}  // namespace

Words words_for(Kind kind) {
  static const std::array<List, kKinds> kLists = {{
      {"ball", "sphere", "orb", "round ball", "globe"},
      {"box", "cube", "crate", "package", "carton", "parcel"},
      {"car", "automobile", "vehicle", "auto", "sedan", "motorcar"},
      {"boat", "sailboat", "ship", "yacht", "vessel", "dinghy"},
      {"house", "home", "cottage", "cabin", "hut", "dwelling"},
      {"tree", "leafy tree", "sapling", "oak"},
      {"fish", "fishy", "minnow", "trout"},
      {"bird", "birdie", "songbird", "chick", "sparrow"},
      {"cup", "mug", "coffee cup", "teacup", "coffee mug"},
      {"star", "star shape", "five-pointed star", "pentagram"},
      {"flower", "blossom", "bloom", "daisy"},
      {"umbrella", "parasol", "brolly", "sunshade"},
      {"chair", "seat", "armchair", "stool"},
      {"hat", "cap", "fedora", "headgear", "trilby"},
  }};
  return look_up(kLists, kind);
}

Words words_for(Colour colour) {
  static const std::array<List, kColours> kLists = {{
      {"red", "crimson", "scarlet", "ruby", "cherry"},
      {"orange", "tangerine", "amber", "pumpkin", "apricot"},
      {"yellow", "golden", "lemon", "canary"},
      {"green", "emerald", "jade", "leaf-green"},
      {"blue", "navy", "azure", "cobalt", "sapphire"},
      {"purple", "violet", "lilac", "plum", "mauve"},
      {"pink", "rosy", "magenta", "blush", "fuchsia"},
      {"brown", "chocolate", "chestnut", "coffee-colored", "umber"},
      {"black", "ebony", "jet-black", "onyx", "inky"},
      {"white", "ivory", "pearly", "cream", "chalk-white"},
  }};
  return look_up(kLists, colour);
}

Words words_for(Size size) {
  static const std::array<List, kSizes> kLists = {{
      {"small", "little", "tiny", "mini", "miniature"},
      {"medium", "medium-sized", "mid-sized"},
      {"large", "big", "huge", "giant", "oversized"},
  }};
  return look_up(kLists, size);
}

Words words_for(Pattern pattern) {
  static const std::array<List, kPatterns> kLists = {{
      {"plain", "solid", "unpatterned"},
      {"striped", "stripy", "banded", "pinstriped"},
      {"dotted", "spotted", "polka-dot", "speckled"},
      {"checkered", "checked", "chequered", "checkerboard", "plaid"},
  }};
  return look_up(kLists, pattern);
}

Words words_for(Relation relation) {
  static const std::array<List, kRelations> kLists = {{
      {"left of", "to the left of", "on the left of", "on the left side of"},
      {"right of", "to the right of", "on the right of", "on the right side of"},
      {"above", "over", "higher than", "up above"},
      {"below", "under", "beneath", "underneath", "lower than"},
  }};
  return look_up(kLists, relation);
}

Words places_for(Background background) {
  static const std::array<List, kBackgrounds> kLists = {{
      {"on grass", "on the grass", "on a lawn", "in a meadow", "in a green field"},
      {"on sand", "on the sand", "on the beach", "in the desert", "at the seaside"},
      {"on water", "in the water", "at sea", "on a lake", "on the waves", "on the ocean"},
      {"at night", "in the night sky", "under the stars", "in the dark", "by moonlight"},
      {"in snow", "in the snow", "on snow", "in winter", "on snowy ground"},
      {"on a wooden floor", "on wood", "on wooden boards", "on floorboards", "on planks"},
      {"on a brick wall", "against a brick wall", "on bricks", "in front of bricks",
       "on brickwork"},
      {"on gray", "on a gray background", "on grey", "against a gray backdrop",
       "on a plain gray background"},
  }};
  return look_up(kLists, background);
}

Words tags_for(Background background) {
  static const std::array<List, kBackgrounds> kLists = {{
      {"grass", "lawn", "meadow", "field", "turf"},
      {"sand", "beach", "desert", "dunes", "seaside"},
      {"water", "sea", "lake", "waves", "ocean"},
      {"night", "night sky", "moon", "dark", "starry"},
      {"snow", "winter", "snowy", "frost"},
      {"wood", "wooden floor", "planks", "floorboards", "parquet"},
      {"brick wall", "bricks", "wall", "brickwork", "masonry"},
      {"gray", "gray background", "grey", "backdrop", "studio"},
  }};
  return look_up(kLists, background);
}

}  // namespace paraclip::scenes
