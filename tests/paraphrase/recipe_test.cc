#include "paraclip/paraphrase/recipe.h"

#include "paraclip/base/file.h"
#include "tests/base/expect_error.h"
#include "tests/support.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

using test::expect_error;

Json valid_recipe() {
  return parse_json(R"({"name": "mine", "steps": [
      {"prompt": "Say {} anew", "temperature": 0.7, "top_p": 0.9, "max_tokens": 40},
      {"system": "Be brief.", "examples": [["a cat", "one cat"]], "prompt": "Again: {}",
       "temperature": 1, "top_p": 1, "max_tokens": 50, "candidates": 4, "attempts": 3,
       "min_change": 0.3}]})",
                    "test");
}

TEST(Recipe, ReadsAllFields) {
  const Recipe recipe = parse_recipe(valid_recipe(), "test");
  EXPECT_EQ(recipe.name, "mine");
  EXPECT_EQ(recipe.min_words, 2);
  EXPECT_EQ(recipe.max_words, 15);
  const RecipeStep& second = recipe.steps[1];
  EXPECT_EQ(second.fill("x {} y"), "Again: x {} y");
  EXPECT_EQ(second.sampling.candidates, 4);
  EXPECT_EQ(second.attempts, 3);
  EXPECT_DOUBLE_EQ(second.min_change, 0.3);
  const std::vector<Message> prefix = second.prefix();
  ASSERT_EQ(prefix.size(), 3u);
  EXPECT_EQ(prefix[0].role + ": " + prefix[0].content, "system: Be brief.");
  EXPECT_EQ(prefix[1].role + ": " + prefix[1].content, "user: Again: a cat");
  EXPECT_EQ(prefix[2].role + ": " + prefix[2].content, "assistant: one cat");
  EXPECT_TRUE(recipe.steps[0].prefix().empty());
}

TEST(Recipe, OfficialIsTheAuthorsScript) {
  const Recipe recipe = load_recipe("official");
  EXPECT_EQ(recipe.steps[0].fill("a dog"),
            "Paraphrase the given caption \"a dog\" concisely while preserving the meaning.");
  EXPECT_EQ(recipe.steps[1].fill("a dog"),
            "Paraphrase the given text \"a dog\" concisely while preserving the meaning and "
            "avoiding use of existing words.");
  for (const RecipeStep& step : recipe.steps) {
    EXPECT_TRUE(step.prefix().empty());
    EXPECT_EQ(step.sampling.temperature, 1.0);
    EXPECT_EQ(step.sampling.top_p, 0.1);
    EXPECT_EQ(step.sampling.max_tokens, 512);
    EXPECT_EQ(step.sampling.candidates, 1);
    EXPECT_EQ(step.attempts, 10);
  }
}

TEST(Recipe, BuiltInOnesAreValid) {
  for (const std::string& name : recipe_names()) EXPECT_EQ(load_recipe(name).name, name);
}

TEST(Recipe, FingerprintSeesAllButTheNames) {
  const std::string fingerprint = parse_recipe(valid_recipe(), "test").fingerprint();
  Json renamed = valid_recipe();
  renamed["name"] = "other";
  renamed["description"] = "new";
  EXPECT_EQ(parse_recipe(renamed, "test").fingerprint(), fingerprint);
  Json changed = valid_recipe();
  changed["steps"][1]["examples"][0][1] = "a single cat";
  EXPECT_NE(parse_recipe(changed, "test").fingerprint(), fingerprint);
  changed = valid_recipe();
  changed["caption_words"] = {2, 16};
  EXPECT_NE(parse_recipe(changed, "test").fingerprint(), fingerprint);
}

TEST(Recipe, MalformedOnesNameThePlace) {
  struct Case {
    const char* patch;
    const char* message;
  };
  constexpr Case kCases[] = {
      {R"([{"op": "remove", "path": "/steps/1"}])", "\"steps\" must be a list of two steps"},
      {R"([{"op": "remove", "path": "/steps"}])", "\"steps\" must be a list of two steps"},
      {R"([{"op": "add", "path": "/promt", "value": 1}])", "unknown key \"promt\""},
      {R"([{"op": "add", "path": "/steps/0/topp", "value": 1}])", "step 1: unknown key \"topp\""},
      {R"([{"op": "remove", "path": "/steps/1/prompt"}])", "step 2: the key \"prompt\" is missing"},
      {R"([{"op": "replace", "path": "/steps/0/prompt", "value": "x"}])", "must hold {} once"},
      {R"([{"op": "replace", "path": "/steps/0/prompt", "value": "{}{}"}])", "must hold {} once"},
      {R"([{"op": "replace", "path": "/steps/0/top_p", "value": 1.5}])",
       "\"top_p\" is 1.5, expected 0 to 1"},
      {R"([{"op": "replace", "path": "/steps/0/temperature", "value": "hot"}])",
       "expected a number"},
      {R"([{"op": "replace", "path": "/steps/0/max_tokens", "value": 0}])",
       "\"max_tokens\" is 0, expected 1 to"},
      {R"([{"op": "add", "path": "/steps/0/candidates", "value": 0}])", "\"candidates\" is 0"},
      {R"([{"op": "add", "path": "/steps/0/attempts", "value": 1.5}])", "\"attempts\" is 1.5"},
      {R"([{"op": "add", "path": "/steps/0/min_change", "value": 2}])", "\"min_change\" is 2"},
      {R"([{"op": "add", "path": "/steps/1/max_change", "value": 0.2}])",
       "\"max_change\" is 0.2, expected 0.3 to 1"},
      {R"([{"op": "add", "path": "/steps/0/examples", "value": [["a"]]}])", "example 1 is [\"a\"]"},
      {R"([{"op": "add", "path": "/caption_words", "value": [5, 2]}])", "expected [least, most]"},
  };
  for (const Case& c : kCases) {
    const Json patched = valid_recipe().patch(Json::parse(c.patch));
    expect_error(ErrorKind::kData, {"mine.json", c.message},
                 [&] { parse_recipe(patched, "mine.json"); });
  }
}

TEST(Recipe, LoadsAFileAndNamesTheBuiltInOnes) {
  const test::TemporaryFolder folder;
  write_file_atomic(folder / "mine.json", dump_json(valid_recipe()));
  EXPECT_EQ(load_recipe((folder / "mine.json").string()).name, "mine");
  expect_error(ErrorKind::kUsage, {"'offical'", "official", "smollm2"},
               [] { load_recipe("offical"); });
}

}  // namespace
}  // namespace paraclip
