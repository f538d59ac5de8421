#pragma once

#include "paraclip/base/json.h"
#include "paraclip/eval/encoder.h"
#include "paraclip/eval/statistic.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace paraclip {

class ImageEmbeddings;

/// One number of a benchmark.
struct Metric {
  std::string name;       ///< "tot.replace_att"; a part before the dot has its own protocol line.
  Statistic statistic;    ///< Over the units of the outcome's sample `sample`.
  size_t sample = 0;      ///< Row of Outcome::samples.
  bool headline = false;  ///< Stands in the short table; the others in the report and the JSON.
  bool higher_is_better = true;
  double chance = -1;  ///< What guessing gives; below 0 where that has no meaning.
};

/// How the examples behind some metrics are drawn anew: the number of units of each stratum (a
/// subset of the benchmark); units are numbered through the strata in order.
struct Sample {
  std::vector<int64_t> strata;
};

/// What came out for one example, for error analysis.
struct Example {
  std::string part;  ///< Subset or task: "tot.replace_att".
  Json fields;    ///< What the example is: texts, ids, gold. An object, the same for all encoders.
  Json measured;  ///< What this encoder gave: similarities, ranks, AO. An object of numbers.
  double score = 0;  ///< Higher is better; comparable between encoders: a margin, AO, minus a rank.
  bool right = false;  ///< Whether it counts as a success; for scores without that notion, false.
};

/// What one encoder reached on a benchmark. Two encoders' outcomes on the same benchmark have the
/// same metrics, samples and examples in the same order.
struct Outcome {
  std::vector<Sample> samples;
  std::vector<Metric> metrics;
  std::vector<Example> examples;
};

/// Data that a benchmark would need and does not find.
struct Lack {
  std::string part;    ///< What cannot run: "itt", or all metrics of it.
  std::string what;    ///< What was looked for and not found: "1,513 of 1,560 images in DATA/...".
  std::string remedy;  ///< "paraclip data fetch coco_val2017", and which file to put where.
};

/// A benchmark with its data in memory, to be run on any number of encoders.
class Benchmark {
 public:
  virtual ~Benchmark() = default;

  /// How each number is computed: metric, or part of metrics, and the rule in words (split,
  /// captions per image, ties, what is left out, macro or micro).
  virtual std::vector<std::pair<std::string, std::string>> protocol() const = 0;

  /// Cases, images, subsets, what was left out, by name.
  virtual std::vector<std::pair<std::string, int64_t>> counts() const = 0;

  /// Measures. Throws what the encoder throws.
  virtual Outcome run(Encoder& encoder) const = 0;
};

/// Where benchmarks find their data.
struct BenchmarkData {
  std::filesystem::path folder;                 ///< Of all benchmarks' files, by their own names.
  const ImageEmbeddings* embeddings = nullptr;  ///< The user's, if given: by image id.
  bool image_tower = false;                     ///< Whether images can be read and encoded.
  bool partial = false;  ///< Run on the images at hand; metrics then carry the part in their names.

  // The user's own data: the benchmark `own`.
  std::filesystem::path images;    ///< Image ids, one a line: the pool.
  std::filesystem::path captions;  ///< TSV image_id, caption, or another form of caption file.
  std::filesystem::path pairs;     ///< TSV query, paraphrase, or group, query: a query log.
  int64_t k = 10;                  ///< Depth of AO@k and JS@k.
  std::vector<int64_t> recall_k{1, 5, 10};  ///< Depths of recall@k.

  /// Whether an image is in `embeddings`, or is a file that can be read and encoded.
  bool has_image(const EvalImage& image) const;
};

/// What became of loading a benchmark: null where nothing of it can run, and then why.
struct LoadedBenchmark {
  std::unique_ptr<Benchmark> benchmark;
  std::vector<Lack> lacks;
};

/// A benchmark that can be asked for by name.
struct BenchmarkEntry {
  std::string_view name;      ///< "sugarcrepe_pp".
  std::string_view title;     ///< "SugarCrepe++".
  std::string_view measures;  ///< One line: what it says of an encoder.
  /// Reads its data. Throws kIo, kData for files that are there and damaged; lacks files silently.
  LoadedBenchmark (*load)(const BenchmarkData& data);
};

/// All benchmarks, in the order of the report.
std::span<const BenchmarkEntry> benchmarks();

}  // namespace paraclip
