#include "cli/demo_report.h"

#include "cli/demo_report_parts.h"
#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/eval/html.h"
#include "paraclip/eval/html_chart.h"
#include "paraclip/io/jsonl.h"
#include "paraclip/io/tsv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

namespace paraclip::cli {
namespace {

namespace fs = std::filesystem;
using html::element;
using html::Html;
using html::number;
using html::paragraph;
using html::section;
using html::signed_number;
using html::small_print;
using html::text;

constexpr size_t kShownImages = 6;
constexpr std::string_view kCheckMark = "\u2713";

std::string in_quotes(std::string_view words) { return fmt::format("\u201c{}\u201d", words); }

// --- What changed.

struct Metric {
  std::string name, label;
  double base = 0, tuned = 0, difference = 0, low = 0, high = 0;
  int64_t count = 0;

  bool clear() const { return low > 0 || high < 0; }

  html::Verdict verdict() const { return html::verdict(low, high); }
};

std::vector<Metric> read_metrics(const DemoReport& report) {
  const fs::path file = report.folder / "summary.json";
  std::vector<Metric> metrics;
  for (const Json& value : part(report.summary, "metrics", Json::value_t::array, file)) {
    const std::string where = file.string() + ", \"metrics\"";
    metrics.push_back({.name = json_string(value, "name", where),
                       .label = json_string(value, "label", where),
                       .base = json_number(value, "base", where),
                       .tuned = json_number(value, "tuned", where),
                       .difference = json_number(value, "difference", where),
                       .low = json_number(value, "low", where),
                       .high = json_number(value, "high", where),
                       .count = json_integer(value, "count", where)});
  }
  return metrics;
}

// "AO@10 and JS@10 are better. R@1 shows no clear change."
std::string outcome(const std::vector<Metric>& metrics) {
  std::string words;
  for (const auto& [verdict, one, many] :
       {std::array{"better", " is better.", " are better."},
        {"no clear change", " shows no clear change.", " show no clear change."},
        {"worse", " is worse.", " are worse."}}) {
    std::vector<std::string> labels;
    for (const Metric& metric : metrics) {
      if (metric.verdict().words == verdict) labels.push_back(metric.label);
    }
    if (labels.empty()) continue;
    words += fmt::format("{}{}{}", words.empty() ? "" : " ", fmt::join(labels, " and "),
                         labels.size() == 1 ? one : many);
  }
  return words;
}

Html results(const std::vector<Metric>& metrics) {
  html::Table table{.caption = "Percent, and the difference with its 95\u00a0% interval",
                    .columns = {{"Measure"},
                                {"Base", /*numeric=*/true},
                                {"Tuned", /*numeric=*/true},
                                {"Difference", /*numeric=*/true}}};
  std::vector<html::Interval> intervals;
  for (const Metric& metric : metrics) {
    const html::Verdict verdict = metric.verdict();
    const Html note = element(
        "small", text(fmt::format("{} {}, {} queries", verdict.sign, verdict.words, metric.count)));
    table.rows.push_back({text(metric.label) + note, text(number(metric.base, 1)),
                          text(number(metric.tuned, 1)),
                          text(signed_number(metric.difference, 1)) +
                              element("small", text(html::range(metric.low, metric.high, 1)))});
    intervals.push_back({metric.label, metric.difference, metric.low, metric.high});
  }
  const Html chart = html::interval_chart("Tuned less base: right of the dashed line is better",
                                          "percentage points", intervals);
  return section(
      "What changed",
      paragraph(outcome(metrics)) +
          element("div", {{"class", "columns"}}, html::table(table) + chart) +
          small_print(
              "AO@k, average overlap: the share of images that the lists of both phrasings have in "
              "common, averaged over the depths 1 to k, so that the top counts most. JS@k, Jaccard "
              "similarity: common images over all images of both lists of k. R@k: how often the "
              "right answer is among the first k. Higher is better for all three.") +
          small_print(
              "The intervals: the test queries are drawn again with replacement many times, for "
              "both models alike, and 95\u00a0% of the differences found lie inside (paired "
              "bootstrap). "
              "An interval that holds 0, drawn with a hollow dot, means that these queries cannot "
              "tell the two models apart. It says nothing about other data or about another "
              "training run."));
}

// --- Training.

struct TrainingLog {
  std::map<std::string, html::Series> train, eval;
};

void add_points(const Json& record, const std::string& where,
                std::map<std::string, html::Series>& all) {
  const auto step = static_cast<double>(json_integer(record, "step", where));
  for (const auto& [name, value] : record.items()) {
    // A step whose numbers were not finite has null.
    if (name != "step" && value.is_number()) {
      all[name].points.push_back({step, value.get<double>()});
    }
  }
}

TrainingLog read_log(const fs::path& file) {
  TrainingLog log;
  JsonlReader reader(file);
  for (Json record; reader.next(record);) {
    const bool train = json_string(record, "kind", reader.where()) == "train";
    add_points(record, reader.where(), train ? log.train : log.eval);
  }
  for (const std::string name : {"loss", "ao@10"}) {
    if (!(name == "loss" ? log.train : log.eval).contains(name)) {
      fail(ErrorKind::kData, "cannot write the report: {} has no \"{}\"; run the demo again",
           file.string(), name);
    }
  }
  return log;
}

using Names = std::initializer_list<std::pair<const char*, const char*>>;

void add_series(html::LineChart& chart, std::map<std::string, html::Series> all, Names names) {
  for (const auto& [name, label] : names) {
    if (!all.contains(name)) continue;
    html::Series series = std::move(all[name]);
    series.label = label;
    const double start = chart.from_zero ? series.points.front().y : 0;
    for (html::Point& point : series.points) point.y -= start;
    chart.series.push_back(std::move(series));
  }
}

std::string best_step_words(const DemoReport& report) {
  const std::string where = (report.folder / "summary.json").string();
  const int64_t best = json_integer(report.summary, "best_step", where);
  if (best == 0) {
    return "No step was better than the base model on them, so the tuned model of this page is the "
           "base model.";
  }
  return fmt::format("The tuned model of this page is that of step {}, the best on them.", best);
}

Html training(const DemoReport& report) {
  const fs::path file = report.folder / "run" / "metrics.jsonl";
  const TrainingLog log = read_log(file);
  html::LineChart loss{
      .title = "Loss of the training batches", .x_label = "step", .y_label = "nats"};
  add_series(loss, log.train,
             {{"loss", "all three"},
              {"loss_image", "image and paraphrase 2"},
              {"loss_caption", "caption and paraphrase 1"},
              {"loss_paraphrase", "paraphrase 1 and paraphrase 2"}});
  html::LineChart metrics{.title = "Change of the metrics since the base model",
                          .x_label = "step",
                          .y_label = "percentage points",
                          .from_zero = true};
  add_series(metrics, log.eval,
             {{"ao@10", "AO@10"},
              {"js@10", "JS@10"},
              {"t2i_recall@1", "R@1, text to image"},
              {"i2t_recall@1", "R@1, image to text"}});
  return section("Training, step by step",
                 paragraph("First what training minimises, then what it is for: the metrics on "
                           "pairs of queries kept apart for that, step 0 being the base model. " +
                           best_step_words(report)) +
                     element("div", {{"class", "columns"}},
                             html::line_chart(loss) + html::line_chart(metrics)));
}

// --- Pairs of queries and their images.

using Captions = std::unordered_map<std::string, std::string>;

Captions read_captions(const fs::path& file) {
  Captions captions;
  TsvReader reader(file, {"image_id", "caption"});
  for (std::vector<std::string_view> row; reader.next(row);) {
    captions.emplace(row[0], row[1]);
  }
  return captions;
}

// The images of one phrasing; marked are those that the other has too.
Html ranking(std::string_view query, const std::vector<std::string>& ids,
             const std::vector<std::string>& others, const fs::path& images,
             const Captions& captions, html::PictureBook& pictures) {
  std::vector<html::Tile> tiles;
  for (size_t i = 0; i < std::min(ids.size(), kShownImages); ++i) {
    const auto other = static_cast<size_t>(std::ranges::find(others, ids[i]) - others.begin());
    const bool shared = other < others.size();
    const auto caption = captions.find(ids[i]);
    const std::string description = fmt::format(
        "Place {}{}: {}", i + 1,
        shared ? fmt::format(", place {} for the other phrasing", other + 1) : std::string(),
        caption == captions.end() ? ids[i] : caption->second);
    tiles.push_back(
        {show_image(pictures, images, ids[i], description),
         shared ? fmt::format("{} {} {}", i + 1, kCheckMark, other + 1) : std::to_string(i + 1),
         shared});
  }
  return html::picture_strip(text(in_quotes(query)), tiles);
}

size_t common(const RankedPair& pair) {
  return static_cast<size_t>(std::ranges::count_if(pair.query_images, [&](const std::string& id) {
    return std::ranges::find(pair.paraphrase_images, id) != pair.paraphrase_images.end();
  }));
}

Html pairs(const DemoReport& report, html::PictureBook& pictures) {
  const fs::path folder = report.folder / "scenes" / "test";
  const Captions captions = read_captions(folder / "captions.tsv");
  if (report.pairs.empty()) {
    fail(ErrorKind::kData, "cannot write the report on {}: there are no pairs of queries to show",
         report.folder.string());
  }
  Html shown;
  for (const ShownPair& pair : report.pairs) {
    Html models;
    for (const auto& [name, side] : {std::pair("Base", &pair.base), {"Tuned", &pair.tuned}}) {
      const Html counts = element(
          "span", text(fmt::format(" {} of the first {} in common, AO@10 {}\u00a0%", common(*side),
                                   side->query_images.size(), number(side->average_overlap, 0))));
      models += element("div", {{"class", "model"}},
                        element("h4", text(name) + counts) +
                            ranking(pair.query, side->query_images, side->paraphrase_images,
                                    folder / "images", captions, pictures) +
                            ranking(pair.paraphrase, side->paraphrase_images, side->query_images,
                                    folder / "images", captions, pictures));
    }
    shown += element("article", {{"class", "pair"}},
                     element("h3", text(in_quotes(pair.query)) +
                                       element("span", {{"class", "quiet"}}, text(" or ")) +
                                       text(in_quotes(pair.paraphrase))) +
                         element("div", {{"class", "models"}}, models));
  }
  return section("The same question in two ways",
                 paragraph("The first images of both phrasings, best first. A thick border and a "
                           "check mark: the other phrasing finds this image too, at the place "
                           "behind the mark.") +
                     small_print("The pairs lie at equal distances between that with the greatest "
                                 "gain in AO@10 and that with the greatest loss, both included.") +
                     shown);
}

// --- Around it.

Html headline(const DemoReport& report, const std::vector<Metric>& metrics) {
  const auto overlap = std::ranges::find(metrics, "ao@10", &Metric::name);
  if (overlap == metrics.end()) {
    fail(ErrorKind::kData,
         "cannot write the report: {} has no metric \"ao@10\"; run the demo again",
         (report.folder / "summary.json").string());
  }
  const std::string_view finding = !overlap->clear()         ? "shows no clear change"
                                   : overlap->difference > 0 ? "is more stable than the base"
                                                             : "is less stable than the base";
  const std::string words = fmt::format(
      "Asked {} questions in two ways each, the tuned text encoder {}: the average overlap of "
      "the first ten images of both phrasings went from {}\u00a0% to {}\u00a0%, a difference of {} "
      "points with a 95\u00a0% interval of {}.",
      overlap->count, finding, number(overlap->base, 1), number(overlap->tuned, 1),
      signed_number(overlap->difference, 1), html::range(overlap->low, overlap->high, 1));
  return element("header",
                 element("p", {{"class", "kicker"}}, text("paraclip demo")) +
                     element("h1", text("One question, two phrasings: the same images?")) +
                     element("p", {{"class", "lead"}}, text(words))) +
         Html::raw("\n");
}

Html method(const Json& summary, const fs::path& file) {
  const auto count = [&](const char* key) { return json_integer(summary, key, file.string()); };
  const std::array lines = {
      fmt::format("A language model, {}, says each of {} web captions in plain words, then that in "
                  "other words.",
                  json_string(summary, "model", file.string()), count("captions")),
      fmt::format("Outputs that copy, stray, or lose a number or a name are rejected; {} captions "
                  "came through with both paraphrases.",
                  count("triples")),
      std::string(
          "The images are embedded once: their encoder stays as it is, so an index that exists "
          "stays valid."),
      fmt::format(
          "The text encoder alone is trained, {} steps, to bring a caption, its paraphrases "
          "and its image together and to keep others apart.",
          count("steps")),
      fmt::format("Base and tuned answer {} hand-written pairs of queries, over {} images "
                  "that training never saw.",
                  count("pairs"), count("test_images"))};
  Html items;
  for (const std::string& line : lines) items += element("li", text(line)) + Html::raw("\n");
  return section("The method in five lines", element("ol", {{"class", "method"}}, items));
}

Html this_run(const Json& summary, const fs::path& file) {
  std::string times;
  for (const auto& [name, seconds] :
       part(summary, "seconds", Json::value_t::object, file).items()) {
    times += fmt::format("{}{} {} s", times.empty() ? "" : ", ", name,
                         number(json_number(summary["seconds"], name, file.string()), 1));
  }
  return section(
      "This run",
      html::definition_list({{"Machine", text(json_string(summary, "machine", file.string()))},
                             {"Base model", text(json_string(summary, "base", file.string()))},
                             {"Paraphrases by", text(json_string(summary, "model", file.string()))},
                             {"Time", text(times)}}));
}

}  // namespace

std::string render_demo_report(const DemoReport& report) {
  const fs::path file = report.folder / "summary.json";
  const std::vector<Metric> metrics = read_metrics(report);
  html::PictureBook pictures;
  const Html body = headline(report, metrics) + method(report.summary, file) + results(metrics) +
                    pairs(report, pictures) + paraphrases_section(report, pictures) +
                    training(report) + this_run(report.summary, file);
  return html::page("paraclip demo: what paraphrases change", body, pictures);
}

}  // namespace paraclip::cli
