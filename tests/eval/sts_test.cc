#include "paraclip/eval/sts.h"

#include "paraclip/base/random.h"
#include "paraclip/eval/registry.h"
#include "tests/eval/benchmark_fixture.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <iterator>
#include <set>
#include <sstream>

namespace paraclip {
namespace {

using Values = std::vector<double>;

struct Line {
  std::string first, second, gold;  // The gold score as it stands in the file.
};

double pearson_of(const Values& x, const Values& y) {
  const auto mean = [](const Values& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += std::pow(x[i] - mean(x), 2);
    yy += std::pow(y[i] - mean(y), 2);
    xy += (x[i] - mean(x)) * (y[i] - mean(y));
  }
  return 100 * xy / std::sqrt(xx * yy);
}

// Ranks by counting: those below, and half of those that tie.
Values ranks_of(const Values& values) {
  Values ranks;
  for (const double value : values) {
    double rank = 0.5;
    for (const double other : values) rank += other < value ? 1 : other == value ? 0.5 : 0;
    ranks.push_back(rank);
  }
  return ranks;
}

double spearman_of(const Values& x, const Values& y) {
  return pearson_of(ranks_of(x), ranks_of(y));
}

Values joined(const std::vector<Values>& parts) {
  Values all;
  for (const Values& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

const std::map<std::string, std::vector<std::string>> kSubsets = {
    {"12", {"MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"}},
    {"13", {"FNWN", "headlines", "OnWN"}},
    {"14", {"deft-forum", "deft-news", "headlines", "images", "OnWN", "tweet-news"}},
    {"15", {"answers-forums", "answers-students", "belief", "headlines", "images"}},
    {"16", {"answer-answer", "headlines", "plagiarism", "postediting", "question-question"}}};

class StsTest : public test::BenchmarkFixture {
 protected:
  // Lines whose gold scores come from a few and whose sentences from `count` texts. A fifth has no
  // gold score.
  static std::vector<Line> make_lines(size_t size, uint64_t seed) {
    std::vector<Line> lines;
    uint64_t state = hash64(fmt::format("{}", seed));
    for (size_t i = 0; i < size; ++i) {
      const uint64_t score = mix64(++state) % 13;
      lines.push_back({fmt::format("text {}", mix64(++state) % 40),
                       fmt::format("text {}", mix64(++state) % 40),
                       score > 10 ? "" : fmt::format("{}", static_cast<double>(score) / 2)});
    }
    return lines;
  }

  void write_subset(const std::string& year, const std::string& subset,
                    const std::vector<Line>& lines) {
    std::string input, gold;
    for (const Line& line : lines) {
      input += line.first + "\t" + line.second + "\n";
      gold += line.gold + "\n";
    }
    const std::string folder = "sts/senteval/STS" + year + "-en-test/";
    write(folder + "STS.input." + subset + ".txt", input);
    write(folder + "STS.gs." + subset + ".txt", gold);
  }

  void write_sts_b(const std::vector<Line>& lines) {
    std::string text;
    for (const Line& line : lines)
      text += fmt::format("g\tf\t2012\t1.0\t{}\t{}\t{}\n", line.gold, line.first, line.second);
    write("sts/senteval/STSBenchmark/sts-test.csv", text);
  }

  void write_sick(const std::vector<Line>& lines) {
    std::string text =
        "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\r\n";
    for (const Line& line : lines)
      text += fmt::format("1\t{}\t{}\t{}\tNEUTRAL\r\n", line.first, line.second, line.gold);
    write("sts/senteval/SICK/SICK_test_annotated.txt", text);
  }

  // All seven tasks; what was written, by "12.MSRpar", "b" and "sick".
  std::map<std::string, std::vector<Line>> write_all(uint64_t seed) {
    std::map<std::string, std::vector<Line>> written;
    size_t size = 20;
    for (const auto& [year, subsets] : kSubsets) {
      for (const std::string& subset : subsets) {
        written[year + "." + subset] = make_lines(size += 3, ++seed);
        write_subset(year, subset, written[year + "." + subset]);
      }
    }
    write_sts_b(written["b"] = make_lines(30, ++seed));
    write_sick(written["sick"] = make_lines(30, ++seed));
    return written;
  }

  // Gold scores and cosines of the scored lines.
  std::pair<Values, Values> scores(const std::vector<Line>& lines) {
    std::pair<Values, Values> result;
    for (const Line& line : lines) {
      if (line.gold.empty()) continue;
      result.first.push_back(std::stod(line.gold));
      result.second.push_back(text_cosine(line.first, line.second));
    }
    return result;
  }

  std::map<std::string, double> run() {
    return test::values_of(load_sts(data_).benchmark->run(encoder_));
  }
};

TEST_F(StsTest, IsWhatTheProtocolSaysOnRandomAndTiedVectors) {
  for (const int levels : {1 << 20, 2}) {
    encoder_.levels = levels;
    const auto written = write_all(/*seed=*/static_cast<uint64_t>(levels));
    const auto ours = run();
    size_t metrics = 1;
    std::map<std::string, double> theirs;
    for (const auto& [year, subsets] : kSubsets) {
      const std::string task = "sts" + year;
      std::vector<Values> golds, cosines;
      double mean = 0, weighted = 0, pearson_mean = 0, pairs = 0;
      for (const std::string& subset : subsets) {
        const auto [gold, cosine] = scores(written.at(year + "." + subset));
        golds.push_back(gold);
        cosines.push_back(cosine);
        const double value = theirs[task + "." + subset] = spearman_of(gold, cosine);
        theirs[task + "." + subset + ".pearson"] = pearson_of(gold, cosine);
        mean += value / static_cast<double>(subsets.size());
        pearson_mean += pearson_of(gold, cosine) / static_cast<double>(subsets.size());
        weighted += value * static_cast<double>(gold.size());
        pairs += static_cast<double>(gold.size());
      }
      theirs[task] = spearman_of(joined(golds), joined(cosines));
      theirs[task + ".pearson"] = pearson_of(joined(golds), joined(cosines));
      theirs[task + ".mean"] = mean;
      theirs[task + ".mean.pearson"] = pearson_mean;
      theirs[task + ".wmean"] = weighted / pairs;
      metrics += 6 + 2 * subsets.size();
      EXPECT_GT(std::abs(theirs[task] - mean), 1e-3);
      EXPECT_GT(std::abs(theirs[task] - weighted / pairs), 1e-3);
    }
    for (const auto& [task, file] : {std::pair{"stsb", "b"}, std::pair{"sickr", "sick"}}) {
      const auto [gold, cosine] = scores(written.at(file));
      theirs[task] = spearman_of(gold, cosine);
      theirs[std::string(task) + ".pearson"] = pearson_of(gold, cosine);
      metrics += 2;
    }
    double sum = 0;
    for (const char* task : {"sts12", "sts13", "sts14", "sts15", "sts16", "stsb", "sickr"})
      sum += theirs.at(task);
    theirs["average"] = sum / 7;
    for (const auto& [name, value] : theirs) EXPECT_NEAR(ours.at(name), value, 1e-9) << name;
    EXPECT_EQ(ours.size(), metrics);
  }
}

TEST_F(StsTest, LeavesSmtAndPairsWithoutScoreOut) {
  const auto written = write_all(/*seed=*/1);
  const double before = run().at("sts13");
  const auto smt = make_lines(40, /*seed=*/99);
  write_subset("13", "SMT", smt);
  EXPECT_EQ(run().at("sts13"), before);
  // With it, or with 0 for what has no score, it is another number.
  std::vector<Values> golds, cosines, zero_golds, zero_cosines;
  for (const std::string& subset : kSubsets.at("13")) {
    const std::vector<Line>& lines = written.at("13." + subset);
    const auto [gold, cosine] = scores(lines);
    golds.push_back(gold);
    cosines.push_back(cosine);
    std::vector<Line> zeros = lines;
    for (Line& line : zeros) line.gold = line.gold.empty() ? "0" : line.gold;
    EXPECT_NE(zeros.size(), gold.size());
    zero_golds.push_back(scores(zeros).first);
    zero_cosines.push_back(scores(zeros).second);
  }
  EXPECT_NEAR(spearman_of(joined(golds), joined(cosines)), before, 1e-9);
  EXPECT_GT(std::abs(spearman_of(joined(zero_golds), joined(zero_cosines)) - before), 0.1);
  golds.push_back(scores(smt).first);
  cosines.push_back(scores(smt).second);
  EXPECT_GT(std::abs(spearman_of(joined(golds), joined(cosines)) - before), 0.1);
}

TEST_F(StsTest, ReadsTheFilesAsTheyAre) {
  write_sts_b({{"a  b\u00A0c ", " d", "2.5"}, {"x", "y\tsource\tsource", "0"}});
  write_sick({{"A \"quoted\" one", "B", "4.9"}, {"C", "D", "1"}});
  write_subset("13", "FNWN", {{"one", "two", "1"}});
  write_subset("13", "headlines", {{"three", "four", "5.000"}, {"", "x", ""}});
  write_subset("13", "OnWN", {{"five", "six", " 2 "}});
  const LoadedBenchmark loaded = load_sts(data_);
  const auto& tasks = dynamic_cast<const StsBenchmark&>(*loaded.benchmark).tasks();
  ASSERT_EQ(tasks.size(), 3U);
  EXPECT_EQ(tasks[0].name, "sts13");
  EXPECT_EQ(tasks[0].subsets[1].pairs.size(), 1U);
  EXPECT_EQ(tasks[0].subsets[1].pairs[0].second, "four");
  EXPECT_EQ(tasks[0].subsets[2].pairs[0].gold, 2);
  EXPECT_EQ(tasks[1].subsets[0].pairs[0].first, "a b c");
  EXPECT_EQ(tasks[1].subsets[0].pairs[0].gold, 2.5);
  EXPECT_EQ(tasks[1].subsets[0].pairs[1].second, "y");
  EXPECT_EQ(tasks[2].subsets[0].pairs[0].first, "A \"quoted\" one");
  EXPECT_EQ(tasks[2].subsets[0].pairs[1].gold, 1);
}

TEST_F(StsTest, MissingTasksAreLacksAndNoAverage) {
  EXPECT_EQ(load_sts(data_).benchmark, nullptr);
  EXPECT_EQ(load_sts(data_).lacks.size(), 7U);
  write_all(/*seed=*/1);
  EXPECT_TRUE(run().contains("average"));
  std::filesystem::remove(folder_ / "sts/senteval/STS14-en-test/STS.gs.images.txt");
  const LoadedBenchmark loaded = load_sts(data_);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  EXPECT_EQ(loaded.lacks[0].part, "sts14");
  EXPECT_TRUE(loaded.lacks[0].what.ends_with("STS14-en-test/STS.gs.images.txt"));
  const auto values = test::values_of(loaded.benchmark->run(encoder_));
  EXPECT_FALSE(values.contains("average"));
  EXPECT_FALSE(values.contains("sts14.OnWN"));
  EXPECT_TRUE(values.contains("sts15"));
}

TEST_F(StsTest, ScoresExamplesByTheirPlaceInTheTask) {
  write_subset("13", "FNWN", {{"one", "two", "1"}, {"three", "four", "2"}});
  write_subset("13", "headlines", {{"five", "six", "3"}});
  write_subset("13", "OnWN", {{"seven", "eight", "3"}});
  const LoadedBenchmark loaded = load_sts(data_);
  const auto& sts = dynamic_cast<const StsBenchmark&>(*loaded.benchmark);
  const Values similarities = {0.9, 0.1, 0.2, 0.3};
  const Outcome outcome = sts.measure(similarities);
  EXPECT_EQ(outcome.samples.at(0).strata, (std::vector<int64_t>{2, 1, 1}));
  // Places by gold 1, 2, 3.5, 3.5; by similarity 4, 1, 2, 3.
  Values found;
  for (const Example& example : outcome.examples) found.push_back(example.score);
  EXPECT_EQ(found, (Values{-0.75, -0.25, -0.375, -0.125}));
  EXPECT_EQ(outcome.examples[2].part, "sts13.headlines");
  EXPECT_EQ(outcome.examples[2].fields["sentence2"], "six");
  EXPECT_EQ(outcome.examples[2].measured["cosine"], 0.2);
  EXPECT_THROW(sts.measure(Values(3)), Error);
  EXPECT_THROW(sts.measure(Values(5)), Error);
}

TEST_F(StsTest, NamesTheLineOfDamage) {
  const auto expect_in_13 = [&](const std::vector<Line>& lines, const std::string& part) {
    for (const std::string& subset : kSubsets.at("13"))
      write_subset("13", subset, {{"one", "two", "1"}});
    write_subset("13", "OnWN", lines);
    expect_data_error(load_sts, part);
  };
  const Line good = {"a", "b", "1"};
  expect_in_13({good, {"a", "b", "1,5"}}, "STS.gs.OnWN.txt, line 2: the gold score is \"1,5\"");
  expect_in_13({good, {"a", "b", "nan"}}, "line 2: the gold score is \"nan\"");
  expect_in_13({good, {"a", "b\tc", "1"}}, "STS.input.OnWN.txt, line 2: found 3 fields");
  expect_in_13({good, {" ", "b", "1"}}, "line 2: a sentence of a scored pair is blank");
  expect_in_13({{"a", "b", ""}}, "STS.gs.OnWN.txt holds no scored pair");
  write_subset("13", "OnWN", {good});
  write("sts/senteval/STS13-en-test/STS.gs.OnWN.txt", "1\n2\n");
  expect_data_error(load_sts, "one of them has 1 lines and the other more");
  write("sts/senteval/STS13-en-test/STS.gs.OnWN.txt", "1\n");
  write("sts/senteval/STSBenchmark/sts-test.csv", "g\tf\t2012\t1\t5\ta\n");
  expect_data_error(load_sts, "sts-test.csv, line 1: found 6 fields");
  write_sts_b({good});
  write("sts/senteval/SICK/SICK_test_annotated.txt", "pair_ID\tsentence_A\n");
  expect_data_error(load_sts, "there is no column \"relatedness_score\"");
}

double jaccard(const std::string& first, const std::string& second) {
  const auto tokens = [](std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::istringstream words(text);
    return std::set<std::string>(std::istream_iterator<std::string>(words), {});
  };
  const std::set<std::string> x = tokens(first), y = tokens(second);
  double both = 0;
  for (const std::string& token : x) both += y.contains(token) ? 1 : 0;
  return both / (static_cast<double>(x.size() + y.size()) - both);
}

// Values that numpy and scipy give for the same similarity on the same files.
TEST_F(StsTest, GivesTheKnownScoresOfTokenOverlap) {
  PARACLIP_NEEDS_SHARED("data/sts/senteval");
  data_.folder = test::shared_folder() / "data";
  const LoadedBenchmark loaded = load_sts(data_);
  EXPECT_TRUE(loaded.lacks.empty());
  const auto& sts = dynamic_cast<const StsBenchmark&>(*loaded.benchmark);
  Values similarities;
  for (const StsTask& task : sts.tasks()) {
    for (const StsSubset& subset : task.subsets) {
      for (const StsPair& pair : subset.pairs)
        similarities.push_back(jaccard(pair.first, pair.second));
    }
  }
  const auto values = test::values_of(sts.measure(similarities));
  const std::array<std::pair<const char*, double>, 8> known = {{{"sts12", 43.02},
                                                                {"sts13", 48.89},
                                                                {"sts14", 51.18},
                                                                {"sts15", 67.47},
                                                                {"sts16", 57.48},
                                                                {"stsb", 51.83},
                                                                {"sickr", 57.38},
                                                                {"average", 53.89}}};
  for (const auto& [name, value] : known) EXPECT_NEAR(values.at(name), value, 0.0051) << name;
  const auto list = sts.counts();
  const std::map<std::string, int64_t> counts(list.begin(), list.end());
  const std::array<std::pair<const char*, int64_t>, 7> sizes = {{{"sts12", 3108},
                                                                 {"sts13", 1500},
                                                                 {"sts14", 3750},
                                                                 {"sts15", 3000},
                                                                 {"sts16", 1186},
                                                                 {"stsb", 1379},
                                                                 {"sickr", 4927}}};
  for (const auto& [name, size] : sizes) EXPECT_EQ(counts.at(name), size) << name;
}

}  // namespace
}  // namespace paraclip
