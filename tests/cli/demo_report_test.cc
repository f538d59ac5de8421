#include "cli/demo_report.h"

#include "paraclip/base/file.h"
#include "tests/base/expect_error.h"
#include "tests/eval/well_formed.h"
#include "tests/support.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace paraclip::cli {
namespace {

using test::expect_error;

constexpr std::string_view kHostile = "</title><script src=\"http://evil\">alert('1')</script>&";
constexpr std::string_view kSummary = R"json({
  "captions": 400, "triples": 2, "model": "tiny.gguf", "base": "scenes/base", "machine": "2 cores",
  "test_images": 1000, "pairs": 333, "steps": 120, "best_step": 110,
  "seconds": {"draw": 3.1, "total": 240.0},
  "metrics": [
    {"name": "ao@10", "label": "AO@10", "base": 50.1, "tuned": 56.0, "difference": 5.9,
     "low": 4.5, "high": 7.2, "count": 333},
    {"name": "t2i_recall@1", "label": "R@1", "base": 31.0, "tuned": 30.4, "difference": -0.6,
     "low": -2.0, "high": 0.9, "count": 1000}]})json";

// A finished run as the demo leaves it, as small as it can be, whose texts try to break out.
class DemoReportTest : public testing::Test {
 protected:
  DemoReportTest() {
    for (const char* part : {"triples", "run", "scenes/train/images", "scenes/test/images"}) {
      make_directories(folder_ / part);
    }
    put("triples/triples.jsonl", triple("1-0", kHostile) + triple("1-1.jpg", "a red ball"));
    put("triples/rejects.jsonl",
        dump_json({{"index", 0}, {"source", kHostile}, {"text", kHostile}, {"reason", "copy"}}) +
            "\n" + dump_json({{"index", 1}, {"caption", "x"}, {"reason", "no_output"}}) + "\n");
    put("triples/stats.json",
        R"({"steps": [{"outputs": 4, "accepted_outputs": 3, "captions_answered": 2,
                       "rejected_outputs": {"copy": 1, "empty": 0}},
                      {"outputs": 2, "accepted_outputs": 2, "captions_answered": 2,
                       "rejected_outputs": {"copy": 0}}]})");
    put("run/metrics.jsonl",
        R"({"kind": "eval", "step": 0, "ao@10": 50.0, "js@10": 40.0}
{"kind": "train", "step": 1, "loss": 3.0, "loss_image": 1.5}
{"kind": "train", "step": 2, "loss": null, "loss_image": 1.0}
{"kind": "eval", "step": 2, "ao@10": 53.5, "js@10": 41.0}
)");
    put("scenes/test/captions.tsv",
        "image_id\tcaption\n2-0.jpg\t" + std::string(kHostile) + "\n2-1.jpg\tb\n2-2.jpg\tc\n");
    for (const char* image : {"train/images/1-0.jpg", "train/images/1-1.jpg", "test/images/2-0.jpg",
                              "test/images/2-1.jpg", "test/images/2-2.jpg"}) {
      put(std::string("scenes/") + image, std::string("\xFF\xD8\xFF") + image);
    }
    report_.folder = folder_.path();
    report_.summary = parse_json(kSummary, "summary");
    report_.pairs = {{std::string(kHostile),
                      "a crimson ball",
                      {{"2-0.jpg", "2-1.jpg"}, {"2-2.jpg", "2-0.jpg"}, 25},
                      {{"2-0.jpg", "2-1.jpg"}, {"2-0.jpg", "2-1.jpg"}, 100}}};
  }

  static std::string triple(std::string_view image, std::string_view caption) {
    return dump_json({{"index", 0},
                      {"image_id", image},
                      {"caption", caption},
                      {"paraphrase_1", caption},
                      {"paraphrase_2", caption}}) +
           "\n";
  }

  void put(const std::string& name, std::string_view content) {
    write_file_atomic(folder_ / name, content);
  }

  void expect_refused(std::initializer_list<std::string> fragments,
                      ErrorKind kind = ErrorKind::kData) {
    expect_error(kind, fragments, [&] { render_demo_report(report_); });
  }

  test::TemporaryFolder folder_;
  DemoReport report_;
};

TEST_F(DemoReportTest, IsWellFormedWhateverTheTextsSay) {
  const std::string page = render_demo_report(report_);
  EXPECT_EQ(test::first_mistake(page), "");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("&lt;script src=&quot;http://evil&quot;&gt;"), std::string::npos);
}

TEST_F(DemoReportTest, LoadsNothing) {
  const std::string page = render_demo_report(report_);
  const std::regex link(R"rx((?:src|href|action|srcset)\s*=\s*"([^"]*)|url\(|@import)rx");
  size_t links = 0;
  for (std::sregex_iterator match(page.begin(), page.end(), link), end; match != end; ++match) {
    const std::string target = (*match)[1];
    EXPECT_TRUE(target.starts_with("#") || target.starts_with("data:image/jpeg;base64,"))
        << match->str();
    ++links;
  }
  EXPECT_EQ(links, 5 + 2 + 8U);  // Pictures, and where they are shown.
}

TEST_F(DemoReportTest, SaysWhatChangedAndWhatDidNot) {
  const std::string page = render_demo_report(report_);
  for (const char* words :
       {"more stable than the base", "AO@10 is better. R@1 shows no clear change.",
        "\u25b2 better, 333 queries", "\u25cb no clear change, 1000 queries",
        "1 of the first 2 in common, AO@10 25\u00a0%", "that of step 110",
        "It said the same words again", "1 in step 1, 0 in step 2", "AO@10: 0.0 to +3.5"}) {
    EXPECT_NE(page.find(words), std::string::npos) << words;
  }
  // The image of the query's first place is the second of the other phrasing.
  EXPECT_NE(page.find("<span class=\"note\">1 \u2713 2</span>"), std::string::npos);
}

TEST_F(DemoReportTest, SaysSoWhenNothingIsGained) {
  report_.summary["metrics"][0]["difference"] = -2.0;
  report_.summary["metrics"][0]["low"] = -3.0;
  report_.summary["metrics"][0]["high"] = -1.0;
  report_.summary["best_step"] = 0;
  const std::string page = render_demo_report(report_);
  for (const char* words : {"less stable than the base", "AO@10 is worse.", "\u25bc worse",
                            "No step was better than the base model"}) {
    EXPECT_NE(page.find(words), std::string::npos) << words;
  }
}

TEST_F(DemoReportTest, NamesTheFileThatIsMissing) {
  for (const char* file :
       {"triples/triples.jsonl", "triples/rejects.jsonl", "triples/stats.json", "run/metrics.jsonl",
        "scenes/test/captions.tsv", "scenes/train/images/1-0.jpg", "scenes/test/images/2-1.jpg"}) {
    const std::string content = read_file(folder_ / file);
    std::filesystem::remove(folder_ / file);
    expect_refused({file}, ErrorKind::kIo);
    put(file, content);
  }
}

TEST_F(DemoReportTest, NamesTheFileThatIsEmpty) {
  for (const char* file :
       {"triples/triples.jsonl", "triples/rejects.jsonl", "triples/stats.json", "run/metrics.jsonl",
        "scenes/test/captions.tsv", "scenes/train/images/1-0.jpg", "scenes/test/images/2-1.jpg"}) {
    const std::string content = read_file(folder_ / file);
    put(file, "");
    expect_refused({file});
    put(file, content);
  }
}

TEST_F(DemoReportTest, RefusesPartsThatAreNotThere) {
  const DemoReport whole = report_;
  for (const char* key : {"captions", "machine", "best_step", "seconds", "metrics"}) {
    report_.summary.erase(key);
    expect_refused({"summary.json", key});
    report_ = whole;
  }
  report_.summary["metrics"].erase(0);
  expect_refused({"summary.json", "ao@10"});
  report_ = whole;
  report_.pairs.clear();
  expect_refused({"no pairs"});
}

TEST_F(DemoReportTest, StaysInItsFolder) {
  report_.pairs[0].base.query_images[0] = "../../../secret.jpg";
  expect_refused({"../../../secret.jpg", "not a file name"});
}

}  // namespace
}  // namespace paraclip::cli
