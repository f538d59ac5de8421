#include "paraclip/paraphrase/similarity.h"

#include "paraclip/base/error.h"
#include "paraclip/paraphrase/steps.h"
#include "tests/support.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

constexpr const char* kCaption = "red ball left of green box";

std::filesystem::path scenes_model() {
  return std::filesystem::path(PARACLIP_SOURCE_DIR) / "examples/scenes/base";
}

TEST(SimilarityCheck, TellsOtherColoursAndThingsFromOtherWording) {
  const SimilarityCheck check(scenes_model(), 0.7);
  EXPECT_TRUE(check.alike(kCaption, kCaption));
  EXPECT_TRUE(check.alike(kCaption, "A red ball to the left of a green box."));
  EXPECT_TRUE(check.alike(kCaption, "IMG_1234.jpg RED BALL LEFT OF GREEN BOX"));
  EXPECT_FALSE(check.alike(kCaption, "A blue ball to the left of a white box."));
  EXPECT_FALSE(check.alike(kCaption, "A red fish to the left of a green umbrella."));
}

TEST(SimilarityCheck, TheFingerprintNamesEncoderAndBound) {
  EXPECT_EQ(SimilarityCheck(scenes_model(), 0.7).fingerprint(),
            SimilarityCheck(scenes_model(), 0.7).fingerprint());
  EXPECT_NE(SimilarityCheck(scenes_model(), 0.7).fingerprint(),
            SimilarityCheck(scenes_model(), 0.8).fingerprint());
  const std::filesystem::path other =
      std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip/full/model";
  EXPECT_NE(SimilarityCheck(scenes_model(), 0.7).fingerprint(),
            SimilarityCheck(other, 0.7).fingerprint());
}

TEST(SimilarityCheck, ABoundThatIsNoCosineIsRefused) {
  EXPECT_THROW(SimilarityCheck(scenes_model(), 1.5), Error);
}

class StepRulesWithSimilarity : public testing::Test {
 protected:
  static Recipe recipe() {
    Recipe recipe;
    for (RecipeStep& step : recipe.steps) step.prompt = "Rewrite: {}";
    return recipe;
  }

  JournalRecord record(const StepRules& rules) const {
    JournalRecord record;
    record.index = caption.index;
    record.step = 1;
    record.attempt = 1;
    record.key = rules.key(caption, CaptionState());
    record.completions = {{"A blue fish to the left of a white box.", "stop"},
                          {"A red ball to the left of a green box.", "stop"}};
    return record;
  }

  CaptionView caption{.index = 0, .image_id = "a", .text = kCaption};
  SimilarityCheck check{scenes_model(), 0.7};
};

TEST_F(StepRulesWithSimilarity, WhatIsUnlikeTheCaptionIsRejected) {
  const StepRules rules(recipe(), /*seed=*/0, &check);
  CaptionState state;
  const StepOutcome outcome = rules.advance(caption, state, record(rules), "journal");
  EXPECT_EQ(outcome.outputs[0].reject, Reject::kUnlike);
  EXPECT_EQ(outcome.outputs[1].reject, std::nullopt);
  EXPECT_EQ(outcome.chosen, 1u);
  EXPECT_EQ(reject_name(Reject::kUnlike), "unlike");
}

TEST_F(StepRulesWithSimilarity, AnswersJudgedOtherwiseAreNotTakenOver) {
  const StepRules with(recipe(), /*seed=*/0, &check);
  const StepRules without(recipe(), /*seed=*/0);
  CaptionState state;
  EXPECT_THROW(with.advance(caption, state, record(without), "journal"), Error);
}

}  // namespace
}  // namespace paraclip
