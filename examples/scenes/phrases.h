#pragma once

#include "examples/scenes/lexicon.h"
#include "examples/scenes/random.h"
#include "examples/scenes/scene.h"

#include <string>
#include <vector>

namespace paraclip::scenes {

/// Two objects of a scene in the order in which a caption names them, and how the first lies to the
/// second.
struct RelatedPair {
  size_t first, second;
  Relation relation;
};

/// Which words of the lexicon captions choose.
enum class Vocabulary {
  kCommon,  ///< The first word for each thing alone, as labels and tags do.
  kRich,    ///< All, the common ones more often.
};

/// The parts that captions of one scene are put together from. Each call may choose other words.
class Phrases {
 public:
  /// `detail` scales how often attributes are mentioned: 1 as often as wanted, 0 none but colour.
  Phrases(const Scene& scene, Random& random, Vocabulary vocabulary, double detail)
      : scene_(scene), random_(random), vocabulary_(vocabulary), detail_(detail) {}

  /// One of `words`.
  std::string pick(Words words) {
    return std::string(words[vocabulary_ == Vocabulary::kCommon ? 0 : random_.zipf(words.size())]);
  }

  /// "small striped red ball". The colour is there unless chance leaves it out of a scene in which
  /// the kind alone is clear.
  std::string object(size_t index);

  /// The same with its article: "a small striped red ball".
  std::string an_object(size_t index);

  /// " on grass", or an empty string with a chance of 1 - `share`.
  std::string place(double share);

  /// Pairs with a relation, in both orders.
  std::vector<RelatedPair> related_pairs() const;

  /// The object between the two others of three in a line; its index is `first`. Empty where there
  /// is none.
  std::vector<size_t> line_of_three() const;

 private:
  bool kind_is_clear(size_t index) const;

  const Scene& scene_;
  Random& random_;
  Vocabulary vocabulary_;
  double detail_;
};

/// "a ball", "an orange ball".
std::string with_article(const std::string& phrase);

}  // namespace paraclip::scenes
