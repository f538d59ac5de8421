#include "paraclip/paraphrase/recipe.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/random.h"
#include "paraclip/paraphrase/embedded_recipes.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

namespace paraclip {
namespace {

constexpr std::string_view kPlaceholder = "{}";

void check_keys(const Json& object, std::initializer_list<std::string_view> known,
                std::string_view where) {
  if (!object.is_object())
    fail(ErrorKind::kData, "{}: expected a JSON object, found {}", where, object.type_name());
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      fail(ErrorKind::kData, "{}: unknown key \"{}\"; expected one of {}", where, key,
           fmt::join(known, ", "));
    }
  }
}

void check_range(double value, double least, double most, std::string_view key,
                 std::string_view where) {
  if (!(value >= least && value <= most)) {
    fail(ErrorKind::kData, "{}: \"{}\" is {}, expected {} to {}", where, key, value, least, most);
  }
}

int bounded(const Json& object, std::string_view key, int least, int most, std::string_view where) {
  const int64_t value = json_integer(object, key, where);
  check_range(static_cast<double>(value), least, most, key, where);
  return static_cast<int>(value);
}

int bounded_or_1(const Json& object, std::string_view key, int most, std::string_view where) {
  return object.contains(key) ? bounded(object, key, 1, most, where) : 1;
}

std::vector<std::array<std::string, 2>> parse_examples(const Json& json, std::string_view where) {
  if (!json.is_array())
    fail(ErrorKind::kData, "{}: \"examples\" is not a list of [input, output]", where);
  std::vector<std::array<std::string, 2>> examples;
  for (const Json& pair : json) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      fail(ErrorKind::kData, "{}: example {} is {}, expected [\"input\", \"output\"]", where,
           examples.size() + 1, dump_json(pair).substr(0, 60));
    }
    examples.push_back({pair[0].get<std::string>(), pair[1].get<std::string>()});
  }
  return examples;
}

RecipeStep parse_step(const Json& json, const std::string& where) {
  check_keys(json,
             {"system", "examples", "prompt", "temperature", "top_p", "max_tokens", "candidates",
              "attempts", "min_change", "max_change", "min_log_probability"},
             where);
  RecipeStep step;
  step.system = json_string_or(json, "system", "", where);
  if (json.contains("examples")) step.examples = parse_examples(json["examples"], where);
  step.prompt = json_string(json, "prompt", where);
  const size_t placeholder = step.prompt.find(kPlaceholder);
  if (placeholder == std::string::npos ||
      step.prompt.find(kPlaceholder, placeholder + 1) != std::string::npos) {
    fail(ErrorKind::kData, "{}: \"prompt\" must hold {{}} once, where the text goes", where);
  }
  step.sampling.temperature = json_number(json, "temperature", where);
  check_range(step.sampling.temperature, 0, 10, "temperature", where);
  step.sampling.top_p = json_number(json, "top_p", where);
  check_range(step.sampling.top_p, 0, 1, "top_p", where);
  step.sampling.max_tokens = bounded(json, "max_tokens", 1, 1 << 20, where);
  step.sampling.candidates = bounded_or_1(json, "candidates", 128, where);
  step.attempts = bounded_or_1(json, "attempts", 1000, where);
  step.min_change = json_number_or(json, "min_change", 0.0, where);
  check_range(step.min_change, 0, 1, "min_change", where);
  step.max_change = json_number_or(json, "max_change", 1.0, where);
  check_range(step.max_change, step.min_change, 1, "max_change", where);
  step.min_log_probability = json_number_or(json, "min_log_probability", 0.0, where);
  check_range(step.min_log_probability, -100, 0, "min_log_probability", where);
  return step;
}

Json step_json(const RecipeStep& step) {
  return Json{{"system", step.system},
              {"examples", step.examples},
              {"prompt", step.prompt},
              {"temperature", step.sampling.temperature},
              {"top_p", step.sampling.top_p},
              {"max_tokens", step.sampling.max_tokens},
              {"candidates", step.sampling.candidates},
              {"attempts", step.attempts},
              {"min_change", step.min_change},
              {"max_change", step.max_change},
              {"min_log_probability", step.min_log_probability}};
}

}  // namespace

std::string RecipeStep::fill(std::string_view source) const {
  std::string filled = prompt;
  return filled.replace(filled.find(kPlaceholder), kPlaceholder.size(), source);
}

std::vector<Message> RecipeStep::prefix() const {
  std::vector<Message> messages;
  if (!system.empty()) messages.push_back({"system", system});
  for (const auto& [input, output] : examples) {
    messages.push_back({"user", fill(input)});
    messages.push_back({"assistant", output});
  }
  return messages;
}

std::string Recipe::fingerprint() const {
  const Json json = {{"caption_words", {min_words, max_words}},
                     {"steps", {step_json(steps[0]), step_json(steps[1])}}};
  return hash_hex(dump_json(json));
}

Recipe parse_recipe(const Json& json, std::string_view where) {
  check_keys(json, {"name", "description", "caption_words", "steps"}, where);
  Recipe recipe;
  recipe.name = json_string_or(json, "name", "", where);
  recipe.description = json_string_or(json, "description", "", where);
  if (json.contains("caption_words")) {
    const Json& words = json["caption_words"];
    if (!words.is_array() || words.size() != 2 || !words[0].is_number_integer() ||
        !words[1].is_number_integer() || words[0] < 1 || words[0] > words[1] ||
        words[1] > std::numeric_limits<int>::max()) {
      fail(ErrorKind::kData, "{}: \"caption_words\" is {}, expected [least, most]", where,
           dump_json(words).substr(0, 60));
    }
    recipe.min_words = words[0].get<int>();
    recipe.max_words = words[1].get<int>();
  }
  const auto steps = json.find("steps");
  if (steps == json.end() || !steps->is_array() || steps->size() != recipe.steps.size())
    fail(ErrorKind::kData, "{}: \"steps\" must be a list of two steps", where);
  for (size_t i = 0; i < recipe.steps.size(); ++i)
    recipe.steps[i] = parse_step((*steps)[i], fmt::format("{}, step {}", where, i + 1));
  return recipe;
}

Recipe load_recipe(const std::string& name_or_file) {
  for (const EmbeddedRecipe& recipe : kEmbeddedRecipes) {
    if (recipe.name == name_or_file) {
      const std::string where = fmt::format("built-in recipe {}", recipe.name);
      return parse_recipe(parse_json(recipe.json, where), where);
    }
  }
  if (!std::filesystem::exists(name_or_file)) {
    fail(ErrorKind::kUsage, "no recipe is called '{}' and no file is: the built-in ones are {}",
         name_or_file, fmt::join(recipe_names(), ", "));
  }
  return parse_recipe(read_json(name_or_file), name_or_file);
}

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const EmbeddedRecipe& recipe : kEmbeddedRecipes) names.emplace_back(recipe.name);
  return names;
}

}  // namespace paraclip
