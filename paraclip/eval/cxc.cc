// Crisscrossed Captions (Parekh et al., EACL 2021): how well similarities of texts and images agree
// with those that people see.

#include "paraclip/eval/cxc.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/eval/caption_files.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/numbering.h"
#include "paraclip/eval/pool_files.h"
#include "paraclip/eval/registry.h"
#include "paraclip/io/csv.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <unordered_map>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSimilarityBlock = 8192;  // Pairs compared at once.

// One side of the pairs of a task: captions or images, each once.
struct Side {
  bool texts = false;
  Numbering ids;                    // As the file has them.
  std::vector<std::string> values;  // Captions, where they are known.
  std::vector<EvalImage> images;
  std::vector<bool> usable;
};

struct RatedPair {
  int64_t first = 0;
  int64_t second = 0;
  double rating = 0;
};

// "sts", "sits" or "sis".
struct Task {
  std::string name;
  std::string suffix;
  Side first, second;
  std::vector<RatedPair> pairs;
};

struct TaskForm {
  const char* name;
  const char* first;  // Columns.
  const char* second;
  bool first_text;
  bool second_text;
};
constexpr TaskForm kTasks[] = {{"sts", "caption1", "caption2", true, true},
                               {"sits", "caption", "image", true, false},
                               {"sis", "image1", "image2", false, false}};

double parse_rating(const std::string& text, const std::string& where) {
  double value = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value).ptr != end || text.empty() || !std::isfinite(value))
    fail(ErrorKind::kData, "{}: agg_score is \"{}\", expected a number", where, text);
  return value;
}

// The number in "COCO_val2014:sentid:411553": the id of COCO's annotation.
int64_t parse_caption_id(const std::string& text) {
  const size_t begin = text.rfind(':') + 1;
  int64_t id = -1;
  const char* end = text.data() + text.size();
  const bool number =
      begin < text.size() && std::from_chars(text.data() + begin, end, id).ptr == end;
  if (!number) {
    fail(ErrorKind::kData,
         "found the caption id \"{}\", expected one like COCO_val2014:sentid:411553", text);
  }
  return id;
}

Task read_task(const TaskForm& form, const fs::path& path) {
  Task task;
  task.name = form.name;
  task.first.texts = form.first_text;
  task.second.texts = form.second_text;
  CsvReader reader(path, {form.first, form.second, "agg_score", "sampling_method"});
  for (std::vector<std::string> row; reader.next(row);) {
    const std::string where = reader.where();
    task.pairs.push_back({task.first.ids.number(filled(row[0], form.first, where)),
                          task.second.ids.number(filled(row[1], form.second, where)),
                          parse_rating(row[2], where)});
  }
  if (task.pairs.empty()) fail(ErrorKind::kData, "{} holds no pairs", path.string());
  return task;
}

using CaptionTexts = std::unordered_map<int64_t, std::string>;

void find_side(Side& side, const BenchmarkData& data, const CaptionTexts& texts) {
  for (const std::string& id : side.ids.keys()) {
    if (side.texts) {
      const auto text = texts.find(parse_caption_id(id));
      side.usable.push_back(text != texts.end());
      side.values.push_back(text == texts.end() ? "" : text->second);
    } else {
      side.images.push_back({id, data.folder / "coco/val2014" / id, std::nullopt});
      side.usable.push_back(data.has_image(side.images.back()));
    }
  }
}

// Leaves of `side` what `pairs`, whose member `place` it is, need.
void keep_used(Side& side, std::vector<RatedPair>& pairs, int64_t RatedPair::*place) {
  Side kept;
  kept.texts = side.texts;
  for (RatedPair& pair : pairs) {
    const auto old = static_cast<size_t>(pair.*place);
    pair.*place = kept.ids.number(side.ids.keys()[old]);
    if (kept.ids.keys().size() == kept.usable.size()) continue;
    kept.usable.push_back(true);
    if (side.texts) kept.values.push_back(side.values[old]);
    if (!side.texts) kept.images.push_back(side.images[old]);
  }
  side = std::move(kept);
}

// Leaves the pairs that can be compared, and says what is missing: false where the task cannot run.
bool keep_usable(const BenchmarkData& data, const CaptionTexts& texts, Task& task,
                 std::vector<Lack>& lacks) {
  find_side(task.first, data, texts);
  find_side(task.second, data, texts);
  std::vector<RatedPair> kept;
  for (const RatedPair& pair : task.pairs) {
    if (task.first.usable[static_cast<size_t>(pair.first)] &&
        task.second.usable[static_cast<size_t>(pair.second)]) {
      kept.push_back(pair);
    }
  }
  const auto all = static_cast<int64_t>(task.pairs.size()),
             left = static_cast<int64_t>(kept.size());
  if (left < all) {
    const std::string captions = "paraclip data fetch karpathy";
    const std::string images = image_remedy(data, data.folder / "coco/val2014", "coco_val2014");
    lacks.push_back({task.name,
                     fmt::format("captions or images of {} of {} pairs", with_commas(all - left),
                                 with_commas(all)),
                     task.second.texts  ? captions
                     : task.first.texts ? captions + "; images: " + images
                                        : images});
    if (!data.partial || left < 2) return false;
    task.suffix = fmt::format(" ({} of {} pairs)", with_commas(left), with_commas(all));
    task.pairs = std::move(kept);
  }
  keep_used(task.first, task.pairs, &RatedPair::first);
  keep_used(task.second, task.pairs, &RatedPair::second);
  return true;
}

at::Tensor encode(const Side& side, Encoder& encoder) {
  return side.texts ? encoder.encode_texts(side.values) : encoder.encode_images(side.images);
}

std::vector<double> similarities(const Task& task, Encoder& encoder) {
  const at::Tensor first = encode(task.first, encoder), second = encode(task.second, encoder);
  std::vector<int64_t> left, right;
  for (const RatedPair& pair : task.pairs) {
    left.push_back(pair.first);
    right.push_back(pair.second);
  }
  const at::Tensor left_rows = at::tensor(left, at::kLong),
                   right_rows = at::tensor(right, at::kLong);
  std::vector<double> result;
  for (int64_t begin = 0; begin < left_rows.size(0); begin += kSimilarityBlock) {
    const int64_t count = std::min(kSimilarityBlock, left_rows.size(0) - begin);
    const std::vector<double> block =
        row_similarities(first.index_select(0, left_rows.narrow(0, begin, count)),
                         second.index_select(0, right_rows.narrow(0, begin, count)));
    result.insert(result.end(), block.begin(), block.end());
  }
  return result;
}

// sampled_spearman() of units of queries. On a resample it moves as its expectation does, in which
// a pair counts one over the number of its query's pairs: a thousand draws for each of ten thousand
// resamples would take hours.
Statistic sampled_statistic(std::span<const double> x, std::span<const double> y,
                            std::span<const int64_t> queries) {
  const int64_t count = *std::max_element(queries.begin(), queries.end()) + 1;
  std::vector<double> pairs_of(static_cast<size_t>(count));
  for (const int64_t query : queries) ++pairs_of[static_cast<size_t>(query)];
  const auto expectation =
      [plain = spearman_statistic(x, y), pairs_of,
       queries = std::vector<int64_t>(queries.begin(), queries.end())](Weights weights) {
        std::vector<double> of_pairs;
        for (const int64_t query : queries) {
          const auto unit = static_cast<size_t>(query);
          of_pairs.push_back(weights[unit] / pairs_of[unit]);
        }
        return plain(of_pairs);
      };
  const double shift = sampled_spearman(x, y, queries) -
                       expectation(std::vector<double>(static_cast<size_t>(count), 1.0));
  return [expectation, shift](Weights weights) { return expectation(weights) + shift; };
}

class Cxc : public Benchmark {
 public:
  Cxc(std::vector<Task> tasks, std::string captions)
      : tasks_(std::move(tasks)), captions_(std::move(captions)) {}

  std::vector<std::pair<std::string, std::string>> protocol() const override {
    return {{"sts", fmt::format("pairs of captions of cxc/sts_test.csv; texts from {}", captions_)},
            {"sits", "pairs of caption and image of cxc/sits_test.csv; texts likewise"},
            {"sis", "pairs of images of cxc/sis_test.csv"},
            {"sampled_spearman",
             "1,000 times (seeded): half of the queries, which are the different items of the "
             "file's first column, and one pair of each; Spearman's correlation of agg_score and "
             "inner product; their mean x 100"},
            {"intervals",
             "queries are resampled with all their pairs; the sampled correlation moves as its "
             "expectation does, in which a pair counts one over its query's pairs"}};
  }

  std::vector<std::pair<std::string, int64_t>> counts() const override {
    std::vector<std::pair<std::string, int64_t>> counts;
    for (const Task& task : tasks_) {
      counts.emplace_back(task.name + ".pairs", static_cast<int64_t>(task.pairs.size()));
      counts.emplace_back(task.name + ".queries",
                          static_cast<int64_t>(task.first.ids.keys().size()));
    }
    return counts;
  }

  Outcome run(Encoder& encoder) const override {
    Outcome outcome;
    for (const Task& task : tasks_) measure(task, encoder, outcome);
    return outcome;
  }

 private:
  static void measure(const Task& task, Encoder& encoder, Outcome& outcome);

  std::vector<Task> tasks_;
  std::string captions_;
};

void Cxc::measure(const Task& task, Encoder& encoder, Outcome& outcome) {
  const std::vector<double> scores = similarities(task, encoder);
  std::vector<double> ratings;
  std::vector<int64_t> queries;
  for (const RatedPair& pair : task.pairs) {
    ratings.push_back(pair.rating);
    queries.push_back(pair.first);
  }
  outcome.samples.push_back({{static_cast<int64_t>(task.first.ids.keys().size())}});
  outcome.metrics.push_back({.name = fmt::format("{}.sampled_spearman{}", task.name, task.suffix),
                             .statistic = sampled_statistic(ratings, scores, queries),
                             .sample = outcome.samples.size() - 1,
                             .headline = true});
  const std::vector<double> rating_ranks = average_ranks(ratings),
                            score_ranks = average_ranks(scores);
  const auto shown = [](const Side& side, int64_t row) {
    const auto place = static_cast<size_t>(row);
    return side.texts ? side.values[place] : side.ids.keys()[place];
  };
  for (size_t i = 0; i < task.pairs.size(); ++i) {
    const RatedPair& pair = task.pairs[i];
    outcome.examples.push_back({task.name + task.suffix,
                                {{"first", shown(task.first, pair.first)},
                                 {"second", shown(task.second, pair.second)},
                                 {"rating", pair.rating}},
                                {{"similarity", scores[i]}},
                                -std::abs(rating_ranks[i] - score_ranks[i]),
                                false});
  }
}

// The captions that are at hand, by id, and the file they are from.
CaptionTexts read_texts(const BenchmarkData& data, std::string& source) {
  CaptionTexts texts;
  for (const char* name :
       {"karpathy/dataset_coco.json", "coco_captions_val2014/captions_val2014.json",
        "coco_captions_val2017/captions_val2017.json"}) {
    std::error_code ignored;
    if (!fs::is_regular_file(data.folder / name, ignored)) continue;
    source = name;
    for (ImageCaption& caption : read_caption_file(data.folder / name, "").captions)
      texts.emplace(caption.id, std::move(caption.caption));
    break;
  }
  return texts;
}

}  // namespace

double sampled_spearman(std::span<const double> x, std::span<const double> y,
                        std::span<const int64_t> queries, int64_t estimates, uint64_t seed) {
  std::vector<std::vector<size_t>> pairs_of;
  for (size_t i = 0; i < queries.size(); ++i) {
    const auto query = static_cast<size_t>(queries[i]);
    if (query >= pairs_of.size()) pairs_of.resize(query + 1);
    pairs_of[query].push_back(i);
  }
  std::vector<double> values(static_cast<size_t>(estimates));
  at::parallel_for(0, estimates, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t estimate = begin; estimate < end; ++estimate) {
      const Permutation order(pairs_of.size(), seed, static_cast<uint64_t>(estimate));
      const uint64_t draw = mix64(seed ^ mix64(static_cast<uint64_t>(estimate)));
      std::vector<double> own_x, own_y;
      for (uint64_t i = 0; i < pairs_of.size() / 2; ++i) {
        const std::vector<size_t>& pairs = pairs_of[order(i)];
        const size_t pair = pairs[mix64(draw + i) % pairs.size()];
        own_x.push_back(x[pair]);
        own_y.push_back(y[pair]);
      }
      values[static_cast<size_t>(estimate)] = spearman(own_x, own_y);
    }
  });
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(estimates);
}

LoadedBenchmark load_cxc(const BenchmarkData& data) {
  LoadedBenchmark loaded;
  std::string source = "no file";
  std::vector<Task> tasks;
  std::optional<CaptionTexts> texts;
  for (const TaskForm& form : kTasks) {
    const fs::path path = data.folder / "cxc" / fmt::format("{}_test.csv", form.name);
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) {
      loaded.lacks.push_back({form.name, path.string(), "paraclip data fetch cxc"});
      continue;
    }
    if (!texts) texts = read_texts(data, source);
    Task task = read_task(form, path);
    if (keep_usable(data, *texts, task, loaded.lacks)) tasks.push_back(std::move(task));
  }
  if (!tasks.empty()) loaded.benchmark = std::make_unique<Cxc>(std::move(tasks), source);
  return loaded;
}

}  // namespace paraclip
