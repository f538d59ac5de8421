#include "paraclip/paraphrase/checks.h"

#include "paraclip/paraphrase/words.h"

#include <gtest/gtest.h>

#include <array>

namespace paraclip {
namespace {

RecipeStep plain_step() {
  RecipeStep step;
  step.prompt = "Paraphrase the given caption \"{}\" concisely while preserving the meaning.";
  return step;
}

std::string verdict(const std::string& text, const std::string& source,
                    const RecipeStep& step = plain_step(), const std::string& finish = "stop") {
  const JudgedOutput judged = judge_output({text, finish}, {source, source, &step});
  return judged.reject ? std::string(reject_name(*judged.reject)) : "accepted";
}

TEST(CleanOutput, DropsWhatModelsPutAround) {
  constexpr std::array<std::array<const char*, 2>, 19> kCases = {{
      {"A dog runs.", "A dog runs."},
      {"  A  dog\truns. \n", "A dog runs."},
      {"\"A dog runs.\"", "A dog runs."},
      {"\"A dog runs\".", "A dog runs"},
      {"\u201cA dog runs.\u201d", "A dog runs."},
      {"'A dog runs.'", "A dog runs."},
      {"\"A dog runs.", "A dog runs."},
      {"**A dog runs.**", "A dog runs."},
      {"Paraphrase: A dog runs.", "A dog runs."},
      {"Paraphrased caption: \"A dog runs.\"", "A dog runs."},
      {"Sure! Here is a concise paraphrase of the caption:\n\n\"A dog runs.\"", "A dog runs."},
      {"1. A dog runs.\n2. A hound sprints.", "A dog runs."},
      {"- A dog runs.", "A dog runs."},
      {"A dog runs.\nI kept the meaning.", "A dog runs."},
      {"<think>The user wants: a dog.</think>\nA dog runs.", "A dog runs."},
      {"The user wants a dog.</think>A dog runs.", "A dog runs."},
      {"<think>The user wants", ""},
      {"Dog 's \"best\" friend", "Dog 's \"best\" friend"},
      {"Lunch: a sandwich", "Lunch: a sandwich"},
  }};
  for (const auto& [output, expected] : kCases)
    EXPECT_EQ(clean_output(output, "a dog is running"), expected) << output;
}

TEST(CleanOutput, KeepsWhatTheSourceHas) {
  EXPECT_EQ(clean_output("1. a dog", "1. the dog"), "1. a dog");
  EXPECT_EQ(clean_output("Text: a dog", "Text: the dog"), "Text: a dog");
}

struct CheckCase {
  const char* source;
  const char* text;
  const char* verdict;
};

TEST(JudgeOutput, NamesTheReason) {
  constexpr CheckCase kCases[] = {
      {"a dog runs on the beach", "A dog is sprinting along the shore.", "accepted"},
      {"a dog runs on the beach", "", "empty"},
      {"a dog runs on the beach", "\"\"", "empty"},
      {"a dog runs on the beach", "a dog \x01 runs", "not_text"},
      {"a dog runs on the beach", "a dog \xff\xfe runs", "not_text"},
      {"a dog runs on the beach", "=== 12 :: 34 == 56 ==", "not_text"},
      {"a dog runs on the beach", "I'm sorry, but I can't help with that.", "refusal"},
      {"a dog runs on the beach", "As an AI, I see no dog.", "refusal"},
      {"a sign says i cannot swim", "A sign reads \"I cannot swim\"", "accepted"},
      {"a dog runs on the beach", "concisely while preserving the meaning", "prompt_echo"},
      {"a dog runs on the beach", "The caption shows a dog at the shore", "prompt_echo"},
      {"a caption on a poster", "A poster with a caption", "accepted"},
      {"a dog runs on the beach", "A Dog runs, on the beach!", "copy"},
      {"a dog runs on the beach", "Dog", "too_short"},
      {"a dog runs on the beach in front of the old red house", "dog runs", "too_short"},
      {"a dog", "a dog that is running along the beach in the sun", "too_long"},
      {"two dogs and 3 cats", "Two dogs with three cats", "accepted"},
      {"two dogs and 3 cats", "A pair of dogs with three cats", "accepted"},
      {"two dogs and 3 cats", "Two dogs with some cats", "lost_number"},
      {"shoe 48213377 for men", "A shoe for guys", "accepted"},
      {"blue house on a wooden floor - IMG_4523.jpg", "A blue home on a wooden floor", "accepted"},
      {"blue house on planks (item 7093)", "A blue house on wooden planks", "accepted"},
      {"white tree right of an orange cup #1835", "A white tree right of a cup", "accepted"},
      {"red cup left of a box D5213M", "A red mug left of a box", "accepted"},
      {"a race of 5,000 runners", "A race of many runners", "lost_number"},
      {"the champions of 1998", "The winners of a year", "lost_number"},
      {"an F16 above a city at night", "An airplane above a city at night", "lost_name"},
      {"a man at Yankee Stadium in the rain", "A fellow in the rain at yankee stadium", "accepted"},
      {"a man at Yankee Stadium in the rain", "A fellow in the rain at a ballpark", "lost_name"},
      {"Man Rides Brown Horse Across Field", "A guy on horseback in a meadow", "accepted"},
      {"a man. Then a dog comes", "A guy, and next a dog arrives", "accepted"},
      {"caf\u00e9 in \u00c9vian at night", "A nightly caf\u00e9 of \u00c9VIAN", "accepted"},
  };
  for (const CheckCase& c : kCases) EXPECT_EQ(verdict(c.text, c.source), c.verdict) << c.text;
}

TEST(JudgeOutput, RejectsWhatWasCut) {
  EXPECT_EQ(verdict("A dog is sprinting along the", "a dog runs", plain_step(), "length"), "cut");
}

TEST(JudgeOutput, RejectsACopyOfTheCaptionInStepTwo) {
  const RecipeStep step = plain_step();
  const CheckContext context{"a dog runs on sand", "The hound sprints over sand", &step};
  EXPECT_EQ(judge_output({"A dog runs on sand.", "stop"}, context).reject, Reject::kCopy);
}

TEST(JudgeOutput, RejectsTheAnswerToAnExample) {
  RecipeStep step = plain_step();
  step.examples = {{"a cat on a mat", "A feline rests on a rug."}};
  EXPECT_EQ(verdict("a feline rests on a rug", "a bird on a tree", step), "prompt_echo");
  EXPECT_EQ(verdict("A feline rests on a rug", "a cat on a mat", step), "accepted");
}

TEST(JudgeOutput, HoldsStepsToTheirBoundsOfChange) {
  RecipeStep step = plain_step();
  const std::string source = "a brown dog runs on the beach";  // brown, dog, run, beach
  const std::string text = "a brown dog is jogging at the beach";
  EXPECT_DOUBLE_EQ(changed_share(source, text), 0.25);
  step.min_change = 0.25;
  EXPECT_EQ(verdict(text, source, step), "accepted");
  step.min_change = 0.3;
  EXPECT_EQ(verdict(text, source, step), "too_little_change");
  step.min_change = 0.0;
  step.max_change = 0.25;
  EXPECT_EQ(verdict(text, source, step), "accepted");
  step.max_change = 0.2;
  EXPECT_EQ(verdict(text, source, step), "too_much_change");
}

TEST(ChooseOutput, TakesTheNearestToTheStepsAim) {
  const std::string source = "a brown dog runs on the beach";
  const std::vector<JudgedOutput> outputs = {
      {"the weather is nice today", {}},                 // nothing kept
      {"a brown dog is jogging on the beach", {}},       // one word of four changed
      {"a brown dog runs on the beach", Reject::kCopy},  // not in question
      {"a tan canine is jogging on the beach", {}},      // three of four changed
      {"a brown dog is trotting on the beach", {}},      // as good as the second
  };
  EXPECT_EQ(choose_output(outputs, source, /*step=*/0), 1u);
  EXPECT_EQ(choose_output(outputs, source, /*step=*/1), 3u);
  EXPECT_DOUBLE_EQ(output_score(source, outputs[1].text, /*step=*/0), 1.0);
  EXPECT_EQ(choose_output(std::vector<JudgedOutput>{{"x", Reject::kCopy}}, source, 0),
            std::nullopt);
}

TEST(ChooseOutput, PrefersOutputsThatNeitherDropNorAddDetails) {
  const std::string source = "a brown dog runs on the beach";
  const std::vector<JudgedOutput> outputs = {
      {"a dog trots on the beach", {}},                         // one new word of three, one lost
      {"a brown dog trots along the beach by a red boat", {}},  // and two invented
      {"a brown dog trots on the beach", {}},                   // one of four replaced
  };
  EXPECT_EQ(choose_output(outputs, source, /*step=*/0), 2u);
  EXPECT_LT(output_score(source, outputs[0].text, 1), output_score(source, outputs[2].text, 1));
  EXPECT_LT(output_score(source, outputs[1].text, 1), output_score(source, outputs[2].text, 1));
}

TEST(ChooseOutput, PrefersWhatTheModelFoundMoreProbable) {
  const std::string source = "a brown dog runs on the beach";
  const std::vector<JudgedOutput> outputs = {{"a brown dog trots on the beach", {}, -0.5},
                                             {"a brown dog walks on the beach", {}, -0.2}};
  EXPECT_EQ(choose_output(outputs, source, /*step=*/0), 1u);
}

TEST(JudgeOutput, WhatIsLessProbableThanTheStepAsksForHasStrayed) {
  RecipeStep step;
  step.min_log_probability = -0.6;
  const std::string source = "a brown dog runs on the beach";
  const CheckContext context{source, source, &step};
  const std::string text = "a brown dog trots on the beach";
  EXPECT_EQ(judge_output({text, "stop", -0.7}, context).reject, Reject::kStrayed);
  EXPECT_EQ(judge_output({text, "stop", -0.5}, context).reject, std::nullopt);
  step.min_log_probability = 0.0;
  EXPECT_EQ(judge_output({text, "stop", -0.7}, context).reject, std::nullopt);
}

TEST(Words, StemsJoinInflections) {
  for (const char* word : {"ride", "rides", "riding", "ridding"})
    EXPECT_EQ(word_stem(word), "rid") << word;
  EXPECT_EQ(word_stem("babies"), word_stem("baby"));
  EXPECT_EQ(word_stem("running"), word_stem("runs"));
  EXPECT_EQ(word_stem("watches"), word_stem("watching"));
  EXPECT_EQ(word_stem("boxes"), word_stem("box"));
  EXPECT_EQ(word_stem("dresses"), word_stem("dress"));
  EXPECT_NE(word_stem("dog"), word_stem("dot"));
  EXPECT_EQ(word_stem("bus"), "bus");
}

TEST(Words, SplitAndFoldAsPythonDoes) {
  EXPECT_EQ(split_words(" a\u00a0b\u2003c\x1f"
                        "d ")
                .size(),
            4u);
  EXPECT_EQ(trim("\u3000 a b\n"), "a b");
  EXPECT_EQ(folded_words("Stra\u00dfe -- T-SHIRT, it's"),
            (std::vector<std::string>{"stra\u00dfe", "t", "shirt", "its"}));
}

}  // namespace
}  // namespace paraclip
