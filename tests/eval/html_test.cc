#include "paraclip/eval/html.h"

#include "paraclip/eval/html_chart.h"
#include "tests/base/expect_error.h"
#include "tests/eval/well_formed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace paraclip::html {
namespace {

using test::expect_error;
using test::first_mistake;

constexpr std::string_view kJpeg = "\xFF\xD8\xFF\xE0 and more";

bool holds(const Html& html, std::string_view part) {
  return html.markup().find(part) != std::string::npos;
}

TEST(HtmlText, EscapesWhatWouldEndItsPlace) {
  EXPECT_EQ(text("<script>a & 'b' \"c\"</script>").markup(),
            "&lt;script&gt;a &amp; &#39;b&#39; &quot;c&quot;&lt;/script&gt;");
  EXPECT_EQ(element("p", {{"title", "\"><img src=x>"}}).markup(),
            "<p title=\"&quot;&gt;&lt;img src=x&gt;\"></p>");
}

TEST(HtmlText, ReplacesWhatIsNotText) {
  EXPECT_EQ(text(std::string_view("a\0b\xFFz\x1B", 6)).markup(), "a\uFFFDb\uFFFDz\uFFFD");
  EXPECT_EQ(text("t\tn\n\u00e9\u4e2d").markup(), "t\tn\n\u00e9\u4e2d");
}

TEST(HtmlNumber, HasATrueMinusAndNoNegativeZero) {
  EXPECT_EQ(number(-1.25, 1), "\u22121.2");
  EXPECT_EQ(number(-0.04, 1), "0.0");
  EXPECT_EQ(signed_number(0.04, 1), "0.0");
  EXPECT_EQ(signed_number(5.9, 1), "+5.9");
  EXPECT_EQ(range(-0.3, 7.2, 1), "\u22120.3 to +7.2");
}

TEST(HtmlTable, NamesItsColumnsAndRows) {
  const Html made = table({.caption = "A & B",
                           .columns = {{"Measure"}, {"Base", /*numeric=*/true}},
                           .rows = {{text("AO@10"), text("50.1")}}});
  EXPECT_TRUE(holds(made, "<caption>A &amp; B</caption>"));
  EXPECT_TRUE(holds(made, "<th scope=\"row\" class=\"words\">AO@10</th>"));
  EXPECT_TRUE(holds(made, "<td class=\"number\">50.1</td>"));
  EXPECT_EQ(first_mistake(made.markup()), "");
}

TEST(HtmlPictures, AreInThePageOnce) {
  PictureBook pictures;
  pictures.add("a", kJpeg, "a.jpg");
  pictures.add("a", kJpeg, "a.jpg");
  pictures.add("b", kJpeg, "b.jpg");
  const std::string shown =
      page("t", pictures.show("a", "red < ball") + pictures.show("a", "again"), pictures);
  size_t count = 0;
  for (size_t at = 0; (at = shown.find("data:image/jpeg;base64,", at)) != std::string::npos; ++at)
    ++count;
  EXPECT_EQ(count, 2U);
  EXPECT_NE(shown.find("aria-label=\"red &lt; ball\""), std::string::npos);
  EXPECT_NE(shown.find("base64,/9j/4CBhbmQgbW9yZQ=="), std::string::npos);  // Python's b64encode.
  EXPECT_EQ(first_mistake(shown), "");
}

TEST(HtmlPictures, AreJpegs) {
  PictureBook pictures;
  expect_error(ErrorKind::kData, {"scenes/7.jpg", "expected a JPEG"},
               [&] { pictures.add("7", "<svg onload=alert(1)>", "scenes/7.jpg"); });
}

TEST(HtmlPictures, MarkTilesByMoreThanColour) {
  const Html strip = picture_strip(text("q"), {{text("x"), "1"}, {text("y"), "2 \u2713 1", true}});
  EXPECT_TRUE(holds(strip, "<li class=\"tile marked\">y<span class=\"note\">2 \u2713 1</span>"));
  EXPECT_EQ(first_mistake(strip.markup()), "");
}

TEST(LineChart, DrawsEachSeriesWithItsOwnDashAndMarker) {
  LineChart chart{.title = "<Loss>", .x_label = "step", .y_label = "nats"};
  for (size_t i = 0; i < kMaxSeries; ++i) {
    chart.series.push_back({fmt::format("s{}", i), {{0, 3}, {10, 1.5 + static_cast<double>(i)}}});
  }
  const Html drawn = line_chart(chart);
  EXPECT_EQ(first_mistake(drawn.markup()), "");
  EXPECT_TRUE(holds(drawn, "&lt;Loss&gt;"));
  EXPECT_TRUE(holds(drawn, "s0: 3.00 to 1.50 from step 0 to 10."));
  EXPECT_FALSE(holds(drawn, "nan"));
  for (size_t i = 1; i <= kMaxSeries; ++i) {
    EXPECT_TRUE(holds(drawn, fmt::format("<g class=\"series-{}\">", i)));
  }
}

TEST(LineChart, PutsPointsWhereTheAxesSay) {
  const Html drawn = line_chart({.title = "t",
                                 .x_label = "x",
                                 .y_label = "y",
                                 .series = {{"s", {{0, 0}, {5, 5}, {10, 10}}}}});
  // The drawing is 420 by 250 with margins of 42, 12, 24 and 38.
  EXPECT_TRUE(holds(drawn, "d=\"M42.0 212.0L225.0 118.0L408.0 24.0\""));
}

TEST(LineChart, TakesOnePointAndRefusesNone) {
  LineChart chart{.title = "t", .x_label = "x", .y_label = "y", .series = {{"s", {{3, 7}}}}};
  EXPECT_FALSE(holds(line_chart(chart), "nan"));
  chart.series.push_back({"empty", {}});
  expect_error(ErrorKind::kUsage, {"\"t\"", "\"empty\""}, [&] { line_chart(chart); });
  chart.series.clear();
  expect_error(ErrorKind::kUsage, {"0 series"}, [&] { line_chart(chart); });
}

TEST(IntervalChart, FillsTheDotOfAnIntervalWithoutZero) {
  const Html clear = interval_chart("t", "points", {{"m", 5.9, 4.5, 7.2}});
  const Html open = interval_chart("t", "points", {{"m", 0.5, -0.3, 1.1}});
  EXPECT_TRUE(holds(clear, "class=\"dot\""));
  EXPECT_TRUE(holds(open, "class=\"dot hollow\""));
  EXPECT_TRUE(holds(clear, "m: +5.9, interval +4.5 to +7.2"));
  EXPECT_EQ(first_mistake(clear.markup() + open.markup()), "");
  expect_error(ErrorKind::kUsage, {"no intervals"}, [] { interval_chart("t", "x", {}); });
}

TEST(IntervalChart, RefusesWhatIsNotFinite) {
  expect_error(ErrorKind::kUsage, {"\"m\"", "not finite"}, [] {
    interval_chart("t", "x", {{"m", std::nan(""), 0, 1}});
  });
}

BarChart two_bars() {
  return {.title = "t <1>",
          .x_label = "percent",
          .series = {"base", "tuned"},
          .groups = {{"m", {{"", 50, 40, 60}, {"", 100, 90, 100}}, 25.0}}};
}

TEST(BarChart, PutsBarsWhereTheAxisSays) {
  const Html drawn = bar_chart(two_bars());
  // The drawing is 420 wide with an edge of 16, the axis goes from 0 to 100.
  EXPECT_TRUE(holds(drawn, "<rect class=\"bar hollow\" x=\"16.0\" y=\"2.5\" width=\"194.0\""));
  EXPECT_TRUE(holds(drawn, "<rect class=\"bar\" x=\"16.0\" y=\"16.5\" width=\"388.0\""));
  EXPECT_TRUE(holds(drawn, "class=\"chance\" x1=\"113.0\""));
  EXPECT_TRUE(
      holds(drawn, "m, base: 50.0 (40.0 to 60.0), tuned: 100.0 (90.0 to 100.0), chance: 25.0"));
  EXPECT_TRUE(holds(drawn, "t &lt;1&gt;"));
  EXPECT_EQ(first_mistake(drawn.markup()), "");
}

TEST(BarChart, GoesBelowZero) {
  BarChart chart = two_bars();
  chart.groups[0].bars[0] = {"", -50, -100, 0};
  const Html drawn = bar_chart(chart);
  EXPECT_TRUE(holds(drawn, "<rect class=\"bar hollow\" x=\"113.0\" y=\"2.5\" width=\"97.0\""));
}

TEST(BarChart, RefusesWhatItCannotDraw) {
  BarChart chart = two_bars();
  chart.groups[0].bars.pop_back();
  expect_error(ErrorKind::kUsage, {"t <1>", "a finite bar for each"}, [&] { bar_chart(chart); });
  chart = two_bars();
  chart.groups[0].bars[0].high = std::nan("");
  expect_error(ErrorKind::kUsage, {"a finite bar for each"}, [&] { bar_chart(chart); });
  chart.groups.clear();
  expect_error(ErrorKind::kUsage, {"0 groups"}, [&] { bar_chart(chart); });
}

TEST(Verdict, IsTheSideOfZeroThatTheIntervalIsOn) {
  EXPECT_EQ(verdict(0.1, 2).words, "better");
  EXPECT_EQ(verdict(-2, -0.1).words, "worse");
  EXPECT_EQ(verdict(-2, -0.1, /*higher_is_better=*/false).words, "better");
  EXPECT_EQ(verdict(0, 2).words, "no clear change");
}

TEST(HtmlTable, RepeatsItsTitlesWhereItIsStacked) {
  Table given{
      .caption = "c", .columns = {{"A"}, {"B & C", true}}, .rows = {{text("1"), text("2")}}};
  EXPECT_FALSE(holds(table(given), "data-column"));
  given.stacked = true;
  EXPECT_TRUE(holds(table(given), "<td class=\"number\" data-column=\"B &amp; C\">2</td>"));
}

TEST(WellFormed, FindsMistakes) {
  EXPECT_EQ(first_mistake("<p>a<br/></p>"), "");
  EXPECT_NE(first_mistake("<p><b></p></b>"), "");
  EXPECT_NE(first_mistake("<p>"), "");
  EXPECT_NE(first_mistake("<p>a < b</p>"), "");
}

}  // namespace
}  // namespace paraclip::html
