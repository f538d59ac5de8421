#include "paraclip/eval/negation.h"

#include "paraclip/base/error.h"
#include "paraclip/eval/cases.h"
#include "paraclip/eval/registry.h"
#include "paraclip/io/tsv.h"
#include "paraclip/paraphrase/words.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kVerbs = {"is", "are", "was", "were"};

struct Triple {
  std::string caption, paraphrase, negation;
};

// Triples of one origin.
struct Source {
  std::string name;  // Empty for a file of the user's own.
  std::vector<Triple> triples;
  int64_t left_out = 0;  // Pairs that have no verb to negate.
};

// Characters of words that would otherwise end in "is", "are": letters, digits, what is not ASCII,
// and what joins parts of a word ("as-is").
bool is_word_character(char c) {
  return static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') ||
         ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '\'' || c == '-';
}

std::string lower(std::string_view word) {
  std::string lower(word);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return lower;
}

class SourceBuilder {
 public:
  explicit SourceBuilder(std::string name) { source_.name = std::move(name); }

  // A pair that comes again counts once.
  void add(const std::string& caption, const std::string& paraphrase) {
    if (!known_.emplace(caption, paraphrase).second) return;
    std::optional<std::string> negation = negate_caption(caption);
    if (negation) {
      source_.triples.push_back({caption, paraphrase, std::move(*negation)});
    } else {
      ++source_.left_out;
    }
  }

  // Adds what was built unless it is empty.
  void finish(std::vector<Source>& sources) {
    if (!source_.triples.empty()) sources.push_back(std::move(source_));
  }

 private:
  Source source_;
  std::set<std::pair<std::string, std::string>> known_;
};

std::string filled(const TsvReader& reader, std::string_view text) {
  if (trim(text).empty()) fail(ErrorKind::kData, "{}: a text is blank", reader.where());
  return std::string(text);
}

Source read_triples(const fs::path& path) {
  Source source;
  TsvReader reader(path, {"caption", "paraphrase", "negation"});
  for (std::vector<std::string_view> row; reader.next(row);) {
    source.triples.push_back(
        {filled(reader, row[0]), filled(reader, row[1]), filled(reader, row[2])});
  }
  if (source.triples.empty()) fail(ErrorKind::kData, "{} holds no triples", path.string());
  return source;
}

// Sensitivity to negation: a caption must be nearer to its paraphrase than to its denial, which
// differs from it by one word.
class Negation final : public Benchmark {
 public:
  explicit Negation(std::vector<Source> sources) : sources_(std::move(sources)) {}

  std::vector<std::pair<std::string, std::string>> protocol() const override {
    return {{"accuracy",
             "the share of triples with cos(caption, paraphrase) > cos(caption, negation); a tie "
             "is wrong"},
            {"drop", "100 times the mean of cos(caption, paraphrase) - cos(caption, negation)"},
            {"negations",
             sources_[0].name.empty()
                 ? "those of negation.tsv"
                 : "\" not\" behind the first whole word is, are, was or were of the caption; "
                   "captions without one, or with \"not\" there, are left out; a pair that comes "
                   "again counts once"}};
  }

  std::vector<std::pair<std::string, int64_t>> counts() const override {
    std::vector<std::pair<std::string, int64_t>> counts;
    for (const Source& source : sources_) {
      const std::string name = source.name.empty() ? "triples" : source.name;
      counts.emplace_back(name, static_cast<int64_t>(source.triples.size()));
      if (!source.name.empty()) counts.emplace_back(name + ", left out", source.left_out);
    }
    return counts;
  }

  Outcome run(Encoder& encoder) const override {
    Outcome outcome;
    outcome.samples.emplace_back();
    std::vector<double> margins;
    for (const Source& source : sources_) {
      outcome.samples[0].strata.push_back(static_cast<int64_t>(source.triples.size()));
      add_triples(source, encoder, margins, outcome);
    }
    std::vector<int64_t> units(margins.size());
    std::iota(units.begin(), units.end(), int64_t{0});
    if (sources_.size() > 1) add_metrics("", margins, units, /*headline=*/true, outcome);
    size_t first = 0;
    for (const Source& source : sources_) {
      const size_t size = source.triples.size();
      add_metrics(source.name, std::span(margins).subspan(first, size),
                  std::span(units).subspan(first, size), sources_.size() == 1, outcome);
      first += size;
    }
    return outcome;
  }

 private:
  static std::string metric_name(const std::string& metric, const std::string& source) {
    return source.empty() ? metric : metric + "." + source;
  }

  static void add_triples(const Source& source, Encoder& encoder, std::vector<double>& margins,
                          Outcome& outcome) {
    std::vector<std::string> texts;
    for (const auto member : {&Triple::caption, &Triple::paraphrase, &Triple::negation}) {
      for (const Triple& triple : source.triples) texts.push_back(triple.*member);
    }
    const std::vector<at::Tensor> parts = encoder.encode_texts(texts).chunk(3);
    const std::vector<double> paraphrase = row_similarities(parts[0], parts[1]),
                              negation = row_similarities(parts[0], parts[2]);
    for (size_t i = 0; i < source.triples.size(); ++i) {
      const Triple& triple = source.triples[i];
      const double margin = paraphrase[i] - negation[i];
      margins.push_back(margin);
      outcome.examples.push_back({.part = metric_name("accuracy", source.name),
                                  .fields = {{"caption", triple.caption},
                                             {"paraphrase", triple.paraphrase},
                                             {"negation", triple.negation}},
                                  .measured = {{"cos(caption, paraphrase)", paraphrase[i]},
                                               {"cos(caption, negation)", negation[i]}},
                                  .score = margin,
                                  .right = margin > 0});
    }
  }

  static void add_metrics(const std::string& source, std::span<const double> margins,
                          std::span<const int64_t> units, bool headline, Outcome& outcome) {
    std::vector<double> drops;
    for (const double margin : margins) drops.push_back(100 * margin);
    outcome.metrics.push_back({.name = metric_name("accuracy", source),
                               .statistic = mean_statistic(percent_right(margins), units),
                               .headline = headline,
                               .chance = 50});
    outcome.metrics.push_back(
        {.name = metric_name("drop", source), .statistic = mean_statistic(drops, units)});
  }

  std::vector<Source> sources_;
};

}  // namespace

std::optional<std::string> negate_caption(std::string_view caption) {
  for (size_t begin = 0; begin < caption.size();) {
    size_t end = begin;
    while (end < caption.size() && is_word_character(caption[end])) ++end;
    if (std::find(kVerbs.begin(), kVerbs.end(), lower(caption.substr(begin, end - begin))) !=
        kVerbs.end()) {
      const std::vector<std::string_view> after = split_words(caption.substr(end));
      if (!after.empty() && lower(after[0]) == "not") return std::nullopt;
      return std::string(caption.substr(0, end)) + " not" + std::string(caption.substr(end));
    }
    begin = std::max(end, begin + 1);
  }
  return std::nullopt;
}

LoadedBenchmark load_negation(const BenchmarkData& data) {
  LoadedBenchmark loaded;
  std::vector<Source> sources;
  const fs::path own = data.folder / "negation.tsv";
  if (!lack_of_files({}, {own}, {})) {
    sources.push_back(read_triples(own));
    loaded.benchmark = std::make_unique<Negation>(std::move(sources));
    return loaded;
  }
  const auto is_there = [&](const std::string& name, const std::vector<fs::path>& files,
                            std::string remedy) {
    auto lack = lack_of_files("accuracy." + name + ", drop." + name, files, std::move(remedy));
    if (!lack) return true;
    loaded.lacks.push_back(std::move(*lack));
    return false;
  };
  const fs::path crepe = data.folder / "sugar_crepe_pp";
  if (is_there("sugar_crepe_pp", group_files(crepe, kSugarCrepePlusPlusSubsets),
               fetch_remedy("sugar_crepe_pp", crepe))) {
    constexpr std::array<std::string_view, 2> kTexts = {"caption", "caption2"};
    SourceBuilder builder("sugar_crepe_pp");
    for (const CaseGroup& group :
         read_caption_groups(crepe, kSugarCrepePlusPlusSubsets, kTexts, {})) {
      for (const CaptionCase& item : group.cases) builder.add(item.captions[0], item.captions[1]);
    }
    builder.finish(sources);
  }
  const fs::path flickr = data.folder / "flickr8k/paraphrase_pairs_dev.tsv";
  if (is_there("flickr8k", {flickr},
               "put a table with the columns query and paraphrase there, or triples of your own "
               "into negation.tsv (caption, paraphrase, negation)")) {
    SourceBuilder builder("flickr8k");
    TsvReader reader(flickr, {"query", "paraphrase"});
    for (std::vector<std::string_view> row; reader.next(row);)
      builder.add(filled(reader, row[0]), filled(reader, row[1]));
    builder.finish(sources);
  }
  if (!sources.empty()) loaded.benchmark = std::make_unique<Negation>(std::move(sources));
  return loaded;
}

}  // namespace paraclip
