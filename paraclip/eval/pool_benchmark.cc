#include "paraclip/eval/pool_benchmark.h"

#include "paraclip/base/error.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/numbering.h"
#include "paraclip/eval/paraphrased_retrieval.h"
#include "paraclip/eval/retrieval.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <unordered_map>

namespace paraclip {
namespace {

// How likely one of `right` items is among the first `k` of a random order of `all`, in percent.
double chance_percent(int64_t right, int64_t all, int64_t k) {
  double none = 1;
  for (int64_t i = 0; i < k; ++i) {
    none *= static_cast<double>(std::max<int64_t>(0, all - right - i)) /
            static_cast<double>(std::max<int64_t>(1, all - i));
  }
  return 100 * (1 - none);
}

std::vector<double> hits_percent(const std::vector<Rank>& ranks, int64_t k) {
  std::vector<double> values;
  for (const Rank rank : ranks) values.push_back(rank <= k ? 100 : 0);
  return values;
}

class PoolBenchmark : public Benchmark {
 public:
  PoolBenchmark(PoolTask task, int64_t k, std::vector<int64_t> recall_k, std::string suffix);

  std::vector<std::pair<std::string, std::string>> protocol() const override;
  std::vector<std::pair<std::string, int64_t>> counts() const override;
  Outcome run(Encoder& encoder) const override;

 private:
  void measure_captions(Encoder& encoder, const at::Tensor& pool, Outcome& outcome) const;
  void add_recalls(const std::string& task, const std::vector<Rank>& ranks,
                   std::span<const int64_t> units, const std::vector<double>& chances,
                   Outcome& outcome) const;
  void measure_pairs(const QueryPairSet& set, Encoder& encoder, const at::Tensor& pool,
                     Outcome& outcome) const;
  std::string full_name(const std::string& part, std::string_view metric) const;

  PoolTask task_;
  int64_t k_;
  std::vector<int64_t> recall_k_;
  std::string suffix_;
  Numbering texts_;                     // Distinct captions.
  std::vector<int64_t> caption_texts_;  // Of each caption, its number in texts_.
  std::vector<int64_t> queried_;        // Rows of the images that have captions: the units.
  std::vector<int64_t> caption_units_;  // Of each caption, its image's place in queried_.
};

PoolBenchmark::PoolBenchmark(PoolTask task, int64_t k, std::vector<int64_t> recall_k,
                             std::string suffix)
    : task_(std::move(task)), k_(k), recall_k_(std::move(recall_k)), suffix_(std::move(suffix)) {
  std::sort(recall_k_.begin(), recall_k_.end());
  std::vector<int64_t> unit_of_image(task_.images.size(), -1);
  for (const PoolCaption& caption : task_.captions) {
    int64_t& unit = unit_of_image[static_cast<size_t>(caption.image)];
    if (unit < 0) {
      unit = static_cast<int64_t>(queried_.size());
      queried_.push_back(caption.image);
    }
    caption_units_.push_back(unit);
    caption_texts_.push_back(texts_.number(caption.text));
  }
}

std::string PoolBenchmark::full_name(const std::string& part, std::string_view metric) const {
  return fmt::format("{}{}{}{}", part, part.empty() ? "" : ".", metric, suffix_);
}

std::vector<std::pair<std::string, std::string>> PoolBenchmark::protocol() const {
  std::vector<std::pair<std::string, std::string>> lines = {
      {"pool", fmt::format("{}: {} images", task_.pool,
                           with_commas(static_cast<int64_t>(task_.images.size())))},
      {"ranking",
       "inner product of unit vectors, summed in float64 and rounded to float32; of equal scores "
       "the earlier of the pool first"}};
  if (!task_.captions.empty()) {
    lines.emplace_back(task_.caption_name.empty() ? "captions" : task_.caption_name,
                       task_.caption_source + "; all captions of each image count");
    lines.emplace_back("t2i_recall@k",
                       "share of captions whose image is among the top k images of the pool");
    lines.emplace_back(
        "i2t_recall@k",
        "share of images with any of their captions among the top k of all captions; "
        "a caption that several images share is right for each");
    lines.emplace_back("median_rank",
                       "of the image for a caption (t2i), of the best placed caption for an image "
                       "(i2t); 1 is the best");
    lines.emplace_back("intervals of recall", "images are resampled, each with all its captions");
  }
  for (const QueryPairSet& set : task_.pair_sets)
    lines.emplace_back(set.name.empty() ? "pairs" : set.name, set.source);
  if (!task_.pair_sets.empty()) {
    lines.emplace_back("ao@k",
                       "average overlap (Webber et al., ACM TOIS 2010) of the top k images of both "
                       "queries: mean over d = 1..k of the common share of the first d; mean over "
                       "pairs");
    lines.emplace_back("js@k", "Jaccard similarity of the sets of top k images; mean over pairs");
    lines.emplace_back("rank_correlation",
                       "100 x Spearman's correlation of the scores of the whole pool, ties sharing "
                       "the mean of their ranks; mean over pairs");
  }
  return lines;
}

std::vector<std::pair<std::string, int64_t>> PoolBenchmark::counts() const {
  std::vector<std::pair<std::string, int64_t>> counts = {
      {"images", static_cast<int64_t>(task_.images.size())}};
  if (!task_.captions.empty()) {
    counts.emplace_back("captions", static_cast<int64_t>(task_.captions.size()));
    counts.emplace_back("images_with_captions", static_cast<int64_t>(queried_.size()));
  }
  for (const QueryPairSet& set : task_.pair_sets) {
    counts.emplace_back(set.name.empty() ? "pairs" : set.name + ".pairs",
                        static_cast<int64_t>(set.pairs.size()));
  }
  counts.insert(counts.end(), task_.counts.begin(), task_.counts.end());
  return counts;
}

Outcome PoolBenchmark::run(Encoder& encoder) const {
  Outcome outcome;
  const at::Tensor pool = encoder.encode_images(task_.images);
  if (!task_.captions.empty()) measure_captions(encoder, pool, outcome);
  for (const QueryPairSet& set : task_.pair_sets) measure_pairs(set, encoder, pool, outcome);
  return outcome;
}

void PoolBenchmark::measure_captions(Encoder& encoder, const at::Tensor& pool,
                                     Outcome& outcome) const {
  outcome.samples.push_back({{static_cast<int64_t>(queried_.size())}});
  const at::Tensor captions =
      encoder.encode_texts(texts_.keys()).index_select(0, at::tensor(caption_texts_, at::kLong));
  std::vector<int64_t> image_of_caption;
  for (const PoolCaption& caption : task_.captions) image_of_caption.push_back(caption.image);
  const std::vector<Rank> to_image = text_to_image_ranks(captions, pool, image_of_caption);
  const std::vector<Rank> to_text =
      image_to_text_ranks(captions, pool.index_select(0, at::tensor(queried_, at::kLong)),
                          caption_units_, caption_texts_);

  std::vector<int64_t> captions_of(queried_.size());
  for (const int64_t unit : caption_units_) ++captions_of[static_cast<size_t>(unit)];
  std::vector<double> image_chances, text_chances;
  for (const int64_t k : recall_k_) {
    image_chances.push_back(chance_percent(1, pool.size(0), k));
    double sum = 0;
    for (const int64_t own : captions_of) sum += chance_percent(own, captions.size(0), k);
    text_chances.push_back(sum / static_cast<double>(queried_.size()));
  }
  std::vector<int64_t> units(queried_.size());
  std::iota(units.begin(), units.end(), int64_t{0});
  add_recalls("t2i", to_image, caption_units_, image_chances, outcome);
  add_recalls("i2t", to_text, units, text_chances, outcome);

  for (size_t i = 0; i < to_image.size(); ++i) {
    const EvalImage& image = task_.images[static_cast<size_t>(task_.captions[i].image)];
    outcome.examples.push_back({full_name(task_.caption_name, "t2i"),
                                {{"caption", task_.captions[i].text}, {"image_id", image.id}},
                                {{"rank", to_image[i]}},
                                -static_cast<double>(to_image[i]),
                                to_image[i] == 1});
  }
  for (size_t i = 0; i < to_text.size(); ++i) {
    const EvalImage& image = task_.images[static_cast<size_t>(queried_[i])];
    outcome.examples.push_back({full_name(task_.caption_name, "i2t"),
                                {{"image_id", image.id}},
                                {{"rank", to_text[i]}},
                                -static_cast<double>(to_text[i]),
                                to_text[i] == 1});
  }
}

void PoolBenchmark::add_recalls(const std::string& task, const std::vector<Rank>& ranks,
                                std::span<const int64_t> units, const std::vector<double>& chances,
                                Outcome& outcome) const {
  const size_t sample = outcome.samples.size() - 1;
  for (size_t i = 0; i < recall_k_.size(); ++i) {
    outcome.metrics.push_back(
        {.name = full_name(task_.caption_name, fmt::format("{}_recall@{}", task, recall_k_[i])),
         .statistic = mean_statistic(hits_percent(ranks, recall_k_[i]), units),
         .sample = sample,
         .headline = i == 0,
         .chance = chances[i]});
  }
  const std::vector<double> values(ranks.begin(), ranks.end());
  outcome.metrics.push_back({.name = full_name(task_.caption_name, task + "_median_rank"),
                             .statistic = median_statistic(values, units),
                             .sample = sample,
                             .higher_is_better = false});
}

void PoolBenchmark::measure_pairs(const QueryPairSet& set, Encoder& encoder, const at::Tensor& pool,
                                  Outcome& outcome) const {
  Numbering texts;
  std::unordered_map<int64_t, int64_t> groups;  // Those of the pairs that are left, as units.
  std::vector<RowPair> pairs;
  std::vector<int64_t> units;
  for (const QueryPair& pair : set.pairs) {
    const int64_t query = texts.number(pair.query);
    pairs.emplace_back(query, texts.number(pair.paraphrase));
    units.push_back(groups.emplace(pair.group, static_cast<int64_t>(groups.size())).first->second);
  }
  const at::Tensor vectors = encoder.encode_texts(texts.keys());
  const std::vector<RankSimilarity> similarities = paraphrased_retrieval(vectors, pairs, pool, k_);
  const std::vector<double> correlations = rank_correlations(vectors, pairs, pool);

  std::vector<double> overlaps, jaccards;
  for (size_t i = 0; i < pairs.size(); ++i) {
    overlaps.push_back(100 * similarities[i].average_overlap);
    jaccards.push_back(100 * similarities[i].jaccard);
    outcome.examples.push_back(
        {full_name(set.name, "pairs"),
         {{"query", set.pairs[i].query}, {"paraphrase", set.pairs[i].paraphrase}},
         {{fmt::format("ao@{}", k_), overlaps[i]},
          {fmt::format("js@{}", k_), jaccards[i]},
          {"rank_correlation", correlations[i]}},
         overlaps[i],
         false});
  }
  outcome.samples.push_back({{static_cast<int64_t>(groups.size())}});
  const size_t sample = outcome.samples.size() - 1;
  const bool headline = &set == &task_.pair_sets.front();
  outcome.metrics.push_back({.name = full_name(set.name, fmt::format("ao@{}", k_)),
                             .statistic = mean_statistic(overlaps, units),
                             .sample = sample,
                             .headline = headline});
  outcome.metrics.push_back({.name = full_name(set.name, fmt::format("js@{}", k_)),
                             .statistic = mean_statistic(jaccards, units),
                             .sample = sample,
                             .headline = headline});
  outcome.metrics.push_back({.name = full_name(set.name, "rank_correlation"),
                             .statistic = mean_statistic(correlations, units),
                             .sample = sample});
}

// Leaves of `task` what is about the images `rows`.
void keep_images(PoolTask& task, const std::vector<int64_t>& rows) {
  std::vector<int64_t> new_row(task.images.size(), -1);
  std::vector<EvalImage> images;
  for (const int64_t row : rows) {
    new_row[static_cast<size_t>(row)] = static_cast<int64_t>(images.size());
    images.push_back(std::move(task.images[static_cast<size_t>(row)]));
  }
  task.images = std::move(images);
  // Whether `item` stays, once its image is the row of the smaller pool.
  const auto moved = [&](auto& item) {
    if (item.image < 0) return true;
    item.image = new_row[static_cast<size_t>(item.image)];
    return item.image >= 0;
  };
  std::vector<PoolCaption> captions;
  for (PoolCaption& caption : task.captions) {
    if (moved(caption)) captions.push_back(std::move(caption));
  }
  task.captions = std::move(captions);
  for (QueryPairSet& set : task.pair_sets) {
    std::vector<QueryPair> pairs;
    for (QueryPair& pair : set.pairs) {
      if (moved(pair)) pairs.push_back(std::move(pair));
    }
    set.pairs = std::move(pairs);
  }
  std::erase_if(task.pair_sets, [](const QueryPairSet& set) { return set.pairs.empty(); });
}

// The number of images that the depths asked for need.
int64_t needed_images(const PoolTask& task, const BenchmarkData& data) {
  int64_t needed = 1;
  if (!task.captions.empty())
    needed = *std::max_element(data.recall_k.begin(), data.recall_k.end());
  return task.pair_sets.empty() ? needed : std::max(needed, data.k);
}

}  // namespace

LoadedBenchmark make_pool_benchmark(const BenchmarkData& data, PoolTask task) {
  LoadedBenchmark loaded;
  const int64_t needed = needed_images(task, data);
  if (static_cast<int64_t>(task.images.size()) < needed) {
    fail(ErrorKind::kUsage, "evaluation looks at the top {} of {} images ({}); ask for a smaller k",
         needed, task.images.size(), task.pool);
  }
  const ImagesAtHand found = find_images(data, task.images);
  if (!found.complete()) {
    loaded.lacks.push_back({"all metrics", found.missing(), task.image_remedy});
    if (!data.partial || static_cast<int64_t>(found.rows.size()) < needed) return loaded;
    keep_images(task, found.rows);
    if (task.captions.empty() && task.pair_sets.empty()) return loaded;
  }
  loaded.benchmark = std::make_unique<PoolBenchmark>(std::move(task), data.k, data.recall_k,
                                                     found.complete() ? "" : found.suffix());
  return loaded;
}

}  // namespace paraclip
