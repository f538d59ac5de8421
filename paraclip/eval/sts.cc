#include "paraclip/eval/sts.h"

#include "paraclip/base/error.h"
#include "paraclip/eval/cases.h"
#include "paraclip/eval/registry.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/tsv.h"
#include "paraclip/paraphrase/words.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <cmath>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// A task of SentEval's layout: FOLDER/STS.input.SUBSET.txt and STS.gs.SUBSET.txt.
struct Source {
  std::string_view task, folder, subsets;
};

// STS13's subset SMT is left out, as SentEval does: its sentences cannot be redistributed.
constexpr std::array<Source, 5> kSources = {{
    {"sts12", "STS12-en-test", "MSRpar MSRvid SMTeuroparl surprise.OnWN surprise.SMTnews"},
    {"sts13", "STS13-en-test", "FNWN headlines OnWN"},
    {"sts14", "STS14-en-test", "deft-forum deft-news headlines images OnWN tweet-news"},
    {"sts15", "STS15-en-test", "answers-forums answers-students belief headlines images"},
    {"sts16", "STS16-en-test", "answer-answer headlines plagiarism postediting question-question"},
}};
constexpr size_t kTasks = kSources.size() + 2;

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find('\t', begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return fields;
}

std::string single_blanks(std::string_view sentence) {
  return fmt::format("{}", fmt::join(split_words(sentence), " "));
}

// Adds a pair unless it has no gold score: such pairs are in the files and were not judged.
void add_pair(std::string_view gold, std::string_view first, std::string_view second,
              const std::string& where, std::vector<StsPair>& pairs) {
  gold = trim(gold);
  if (gold.empty()) return;
  StsPair pair{single_blanks(first), single_blanks(second), 0};
  const auto [end, error] = std::from_chars(gold.data(), gold.data() + gold.size(), pair.gold);
  if (error != std::errc() || end != gold.data() + gold.size() || !std::isfinite(pair.gold)) {
    fail(ErrorKind::kData,
         "{}: the gold score is \"{}\"; expected a number, or nothing for a pair that isn't scored",
         where, gold.substr(0, 60));
  }
  if (pair.first.empty() || pair.second.empty())
    fail(ErrorKind::kData, "{}: a sentence of a scored pair is blank; expected two sentences",
         where);
  pairs.push_back(std::move(pair));
}

std::vector<StsPair> checked(std::vector<StsPair> pairs, const fs::path& path) {
  if (pairs.empty()) fail(ErrorKind::kData, "{} holds no scored pair", path.string());
  return pairs;
}

fs::path input_file(const fs::path& folder, std::string_view subset) {
  return folder / fmt::format("STS.input.{}.txt", subset);
}

fs::path gold_file(const fs::path& folder, std::string_view subset) {
  return folder / fmt::format("STS.gs.{}.txt", subset);
}

std::vector<StsPair> read_subset(const fs::path& folder, std::string_view subset) {
  std::vector<StsPair> pairs;
  LineReader input(input_file(folder, subset)), golds(gold_file(folder, subset));
  std::string_view line, gold;
  while (true) {
    const bool more = input.next(line);
    if (golds.next(gold) != more) {
      fail(ErrorKind::kData,
           "{} and {}: one of them has {} lines and the other more; expected a "
           "score (or an empty line) for each pair",
           input_file(folder, subset).string(), gold_file(folder, subset).filename().string(),
           std::max(input.line(), golds.line()) - 1);
    }
    if (!more) return checked(std::move(pairs), gold_file(folder, subset));
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() != 2) {
      fail(ErrorKind::kData, "{}: found {} fields separated by tabs, expected two sentences",
           input.where(), fields.size());
    }
    add_pair(gold, fields[0], fields[1], golds.where(), pairs);
  }
}

// STS-B's lines have no header: genre, file, year, number, score, two sentences, at times sources.
std::vector<StsPair> read_sts_b(const fs::path& path) {
  std::vector<StsPair> pairs;
  LineReader lines(path);
  for (std::string_view line; lines.next_filled(line);) {
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() < 7) {
      fail(ErrorKind::kData,
           "{}: found {} fields separated by tabs, expected at least 7: the score in the fifth, "
           "the sentences in the sixth and seventh",
           lines.where(), fields.size());
    }
    add_pair(fields[4], fields[5], fields[6], lines.where(), pairs);
  }
  return checked(std::move(pairs), path);
}

std::vector<StsPair> read_sick(const fs::path& path) {
  std::vector<StsPair> pairs;
  TsvReader reader(path, {"relatedness_score", "sentence_A", "sentence_B"});
  for (std::vector<std::string_view> row; reader.next(row);)
    add_pair(row[0], row[1], row[2], reader.where(), pairs);
  return checked(std::move(pairs), path);
}

using Correlation = Statistic (*)(std::span<const double>, std::span<const double>, int64_t);

// Adds a task's metrics for one kind of correlation and returns the one over all of its pairs.
// `golds` and `similarities` are of its pairs, the first of which is unit `first`.
Statistic add_correlations(const StsTask& task, Correlation correlation, const std::string& suffix,
                           std::span<const double> golds, std::span<const double> similarities,
                           size_t first, Outcome& outcome) {
  const auto add = [&](const std::string& name, const Statistic& statistic, bool headline) {
    outcome.metrics.push_back({.name = name + suffix,
                               .statistic = statistic,
                               .sample = 0,
                               .headline = headline,
                               .chance = 0});
  };
  const Statistic all = correlation(golds, similarities, static_cast<int64_t>(first));
  add(task.name, all, /*headline=*/suffix.empty());
  if (task.subsets.size() == 1) return all;
  std::vector<Statistic> parts;
  std::vector<double> sizes;
  size_t start = 0;
  for (const StsSubset& subset : task.subsets) {
    const size_t size = subset.pairs.size();
    parts.push_back(correlation(golds.subspan(start, size), similarities.subspan(start, size),
                                static_cast<int64_t>(first + start)));
    sizes.push_back(static_cast<double>(size));
    start += size;
  }
  add(task.name + ".mean", combined_statistic(parts), /*headline=*/false);
  add(task.name + ".wmean", combined_statistic(parts, sizes), /*headline=*/false);
  for (size_t i = 0; i < parts.size(); ++i)
    add(task.name + "." + task.subsets[i].name, parts[i], /*headline=*/false);
  return all;
}

// Adds an example for each pair: how far its place among the task's pairs by similarity is from its
// place by gold score, as a share of the task.
void add_pairs(const StsTask& task, std::span<const double> golds,
               std::span<const double> similarities, Outcome& outcome) {
  const std::vector<double> by_gold = average_ranks(golds),
                            by_similarity = average_ranks(similarities);
  size_t i = 0;
  for (const StsSubset& subset : task.subsets) {
    const std::string part = task.subsets.size() == 1 ? task.name : task.name + "." + subset.name;
    for (const StsPair& pair : subset.pairs) {
      outcome.examples.push_back(
          {.part = part,
           .fields = {{"sentence1", pair.first}, {"sentence2", pair.second}, {"gold", pair.gold}},
           .measured = {{"cosine", similarities[i]}},
           .score = -std::abs(by_gold[i] - by_similarity[i]) / static_cast<double>(golds.size()),
           .right = false});
      ++i;
    }
  }
}

std::vector<double> gold_scores(const StsTask& task) {
  std::vector<double> golds;
  for (const StsSubset& subset : task.subsets) {
    for (const StsPair& pair : subset.pairs) golds.push_back(pair.gold);
  }
  return golds;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> StsBenchmark::protocol() const {
  return {
      {"sts12 to sts16",
       "100 times Spearman's rank correlation (ties share the mean of their ranks) of cosine and "
       "gold score, one over the pairs of all subsets together (\"all\"); .mean is the plain mean "
       "of the subsets' own correlations, .wmean that weighted by their pairs, .pearson Pearson's "
       "correlation likewise; pairs without a gold score are dropped; STS13 without SMT"},
      {"stsb, sickr", "the same over the test split"},
      {"average",
       "the plain mean of the seven headline values, not rounded (SimCSE rounds each to two "
       "decimals first)"},
      {"texts",
       "SentEval's files as they are (STS in lower case and tokenised, SICK in upper and lower "
       "case), split at white space and joined by single blanks"}};
}

std::vector<std::pair<std::string, int64_t>> StsBenchmark::counts() const {
  std::vector<std::pair<std::string, int64_t>> counts;
  for (const StsTask& task : tasks_) {
    counts.emplace_back(task.name, static_cast<int64_t>(gold_scores(task).size()));
    if (task.subsets.size() == 1) continue;
    for (const StsSubset& subset : task.subsets) {
      counts.emplace_back(task.name + "." + subset.name, static_cast<int64_t>(subset.pairs.size()));
    }
  }
  return counts;
}

Outcome StsBenchmark::run(Encoder& encoder) const {
  std::vector<double> similarities;
  for (const StsTask& task : tasks_) {
    std::vector<std::string> texts, second;
    for (const StsSubset& subset : task.subsets) {
      for (const StsPair& pair : subset.pairs) {
        texts.push_back(pair.first);
        second.push_back(pair.second);
      }
    }
    texts.insert(texts.end(), second.begin(), second.end());
    const std::vector<at::Tensor> halves = encoder.encode_texts(texts).chunk(2);
    const std::vector<double> of_task = row_similarities(halves[0], halves[1]);
    similarities.insert(similarities.end(), of_task.begin(), of_task.end());
  }
  return measure(similarities);
}

Outcome StsBenchmark::measure(std::span<const double> similarities) const {
  size_t pairs = 0;
  for (const StsTask& task : tasks_) pairs += gold_scores(task).size();
  if (similarities.size() != pairs)
    fail(ErrorKind::kUsage, "STS: expected {} similarities, found {}", pairs, similarities.size());
  Outcome outcome;
  Sample& sample = outcome.samples.emplace_back();
  std::vector<Statistic> headlines;
  size_t first = 0;
  for (const StsTask& task : tasks_) {
    const std::vector<double> golds = gold_scores(task);
    const std::span<const double> own = similarities.subspan(first, golds.size());
    headlines.push_back(add_correlations(task, spearman_statistic, "", golds, own, first, outcome));
    add_correlations(task, pearson_statistic, ".pearson", golds, own, first, outcome);
    add_pairs(task, golds, own, outcome);
    for (const StsSubset& subset : task.subsets)
      sample.strata.push_back(static_cast<int64_t>(subset.pairs.size()));
    first += golds.size();
  }
  if (tasks_.size() == kTasks) {
    outcome.metrics.push_back({.name = "average",
                               .statistic = combined_statistic(headlines),
                               .sample = 0,
                               .headline = true,
                               .chance = 0});
  }
  return outcome;
}

LoadedBenchmark load_sts(const BenchmarkData& data) {
  const fs::path folder = data.folder / "sts/senteval";
  LoadedBenchmark loaded;
  std::vector<StsTask> tasks;
  const auto is_there = [&](std::string_view task, const std::vector<fs::path>& files) {
    auto lack = lack_of_files(std::string(task), files, fetch_remedy("sts", folder));
    if (!lack) return true;
    loaded.lacks.push_back(std::move(*lack));
    return false;
  };
  for (const Source& source : kSources) {
    const std::vector<std::string_view> subsets = split_words(source.subsets);
    const fs::path place = folder / source.folder;
    std::vector<fs::path> files;
    for (const std::string_view subset : subsets) {
      files.push_back(input_file(place, subset));
      files.push_back(gold_file(place, subset));
    }
    if (!is_there(source.task, files)) continue;
    StsTask& task = tasks.emplace_back();
    task.name = source.task;
    for (const std::string_view subset : subsets)
      task.subsets.push_back({std::string(subset), read_subset(place, subset)});
  }
  const fs::path sts_b = folder / "STSBenchmark/sts-test.csv",
                 sick = folder / "SICK/SICK_test_annotated.txt";
  if (is_there("stsb", {sts_b})) tasks.push_back({"stsb", {{"test", read_sts_b(sts_b)}}});
  if (is_there("sickr", {sick})) tasks.push_back({"sickr", {{"test", read_sick(sick)}}});
  if (!tasks.empty()) loaded.benchmark = std::make_unique<StsBenchmark>(std::move(tasks));
  return loaded;
}

}  // namespace paraclip
