#include "paraclip/paraphrase/journal.h"

#include "paraclip/base/error.h"
#include "paraclip/base/json.h"
#include "paraclip/base/random.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace paraclip {
namespace {

constexpr int64_t kVersion = 1;

Json header_json(const Recipe& recipe, uint64_t seed) {
  return Json{{"paraphrase_journal", kVersion},
              {"recipe", recipe.fingerprint()},
              {"recipe_name", recipe.name},
              {"seed", seed}};
}

void check_header(const Json& found, const Recipe& recipe, uint64_t seed,
                  const std::filesystem::path& path) {
  const std::string file = path.string();
  if (!found.is_object() || !found.contains("paraphrase_journal")) {
    fail(ErrorKind::kData, "{} is not a journal of paraphrases: its first line is {}", file,
         dump_json(found).substr(0, 60));
  }
  const int64_t version = json_integer(found, "paraphrase_journal", file);
  if (version != kVersion) {
    fail(ErrorKind::kData, "{} is a journal of version {}, expected {}", file, version, kVersion);
  }
  const Json expected = header_json(recipe, seed);
  for (const std::string_view key : {"recipe", "seed"}) {
    const std::string name(key);
    if (found.contains(name) && found[name] == expected[name]) continue;
    fail(
        ErrorKind::kUsage,
        "{} was begun with another {}: it has {}, this run {}; repeat that run's options or choose "
        "another output folder",
        file, key, dump_json(found.value(name, Json())), dump_json(expected[name]));
  }
}

Json record_json(const JournalRecord& record) {
  Json json = {{"index", record.index},
               {"step", record.step},
               {"attempt", record.attempt},
               {"key", record.key}};
  if (record.error.empty()) {
    json["completions"] = Json::array();
    for (const Completion& completion : record.completions) {
      json["completions"].push_back(
          {{"text", completion.text}, {"finish_reason", completion.finish_reason}});
      if (completion.log_probability != 0.0) {
        json["completions"].back()["log_probability"] = completion.log_probability;
      }
    }
  } else {
    json["error"] = record.error;
  }
  json["prompt_tokens"] = record.prompt_tokens;
  json["completion_tokens"] = record.completion_tokens;
  json["model"] = record.model;
  return json;
}

JournalRecord parse_record(std::string_view line, const std::string& where) {
  const Json json = parse_json(line, where);
  JournalRecord record;
  record.index = json_integer(json, "index", where);
  const int64_t step = json_integer(json, "step", where);
  const int64_t attempt = json_integer(json, "attempt", where);
  if (step < 1 || step > 2 || attempt < 1 || attempt > std::numeric_limits<int>::max()) {
    fail(ErrorKind::kData, "{}: step {}, attempt {} is out of range", where, step, attempt);
  }
  record.step = static_cast<int>(step);
  record.attempt = static_cast<int>(attempt);
  record.key = json_string(json, "key", where);
  record.error = json_string_or(json, "error", "", where);
  if (record.error.empty()) {
    if (!json.contains("completions") || !json["completions"].is_array()) {
      fail(ErrorKind::kData, "{}: there is neither a list \"completions\" nor an \"error\"", where);
    }
    for (const Json& completion : json["completions"]) {
      record.completions.push_back({json_string(completion, "text", where),
                                    json_string(completion, "finish_reason", where),
                                    json_number_or(completion, "log_probability", 0.0, where)});
    }
  }
  record.prompt_tokens = json_integer_or(json, "prompt_tokens", 0, where);
  record.completion_tokens = json_integer_or(json, "completion_tokens", 0, where);
  record.model = json_string_or(json, "model", "", where);
  return record;
}

std::string place(const std::filesystem::path& path, size_t line) {
  return fmt::format("{}, line {}", path.string(), line);
}

// Calls use(line, number) for each whole line after the header.
template <typename Use>
void for_each_line(std::string_view text, Use use) {
  size_t number = 1;
  for (size_t begin = 0; begin < text.size(); ++number) {
    const size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) return;
    if (number > 1) use(text.substr(begin, end - begin), number);
    begin = end + 1;
  }
}

}  // namespace

Journal::Journal(std::filesystem::path path, const Recipe& recipe, uint64_t seed)
    : path_(std::move(path)), file_(path_) {
  const auto mapped = MappedFile::open(path_);
  const std::string_view text = mapped->text();
  if (text.empty()) {
    file_.append(dump_json(header_json(recipe, seed)));
    return;
  }
  const Json header = parse_json(text.substr(0, text.find('\n')), place(path_, 1));
  check_header(header, recipe, seed, path_);
}

void Journal::visit(const Visitor& visitor) const {
  const auto mapped = MappedFile::open(path_);
  for_each_line(mapped->text(), [&](std::string_view line, size_t number) {
    const std::string where = place(path_, number);
    visitor(parse_record(line, where), where);
  });
}

void Journal::visit_by_caption(const Visitor& visitor) const {
  struct Line {
    int64_t index;
    size_t number;
    std::string_view text;
  };
  const auto mapped = MappedFile::open(path_);
  std::vector<Line> lines;
  for_each_line(mapped->text(), [&](std::string_view line, size_t number) {
    lines.push_back({parse_record(line, place(path_, number)).index, number, line});
  });
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::pair(a.index, a.number) < std::pair(b.index, b.number);
  });
  for (const Line& line : lines) {
    const std::string where = place(path_, line.number);
    visitor(parse_record(line.text, where), where);
  }
}

void Journal::append(const JournalRecord& record) { file_.append(dump_json(record_json(record))); }

std::string request_key(const std::string& recipe_fingerprint, int step, std::string_view source) {
  return hash_hex(fmt::format("{}\n{}\n{}", recipe_fingerprint, step, source));
}

}  // namespace paraclip
