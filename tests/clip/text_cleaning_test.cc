#include "paraclip/clip/text_cleaning.h"

#include "paraclip/clip/html_entities.h"
#include "paraclip/clip/unicode.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

TEST(DecodeUtf8, ReplacesWhatIsNotUtf8AsPythonDoes) {
  EXPECT_EQ(decode_utf8("a\xff z"), U"a\uFFFD z");
  EXPECT_EQ(decode_utf8("\xe2\x82"), U"\uFFFD");                  // Cut short: one for the rest.
  EXPECT_EQ(decode_utf8("\xed\xa0\x80"), U"\uFFFD\uFFFD\uFFFD");  // A surrogate: one a byte.
  EXPECT_EQ(decode_utf8("\xc0\x80"), U"\uFFFD\uFFFD");            // Overlong.
  EXPECT_EQ(decode_utf8("\xf0\x9f\x98x"), U"\uFFFDx");
  EXPECT_EQ(decode_utf8("\xf4\x90\x80\x80"), U"\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(UnescapeHtml, DecodesAsPythonDoes) {
  EXPECT_EQ(unescape_html(U"&lt;b&gt; &amp;amp; &copy &notit;"), U"<b> &amp; © ¬it;");
  EXPECT_EQ(unescape_html(U"&#39;&#x41;&#65 &#0;&#128;&#xD800;&#x110000;&#1;"),
            U"'AA \uFFFD€\uFFFD\uFFFD");
  EXPECT_EQ(unescape_html(U"&#99999999999999999999;"), U"\uFFFD");
  EXPECT_EQ(unescape_html(U"&NotEqualTilde;"), U"\u2242\u0338");
  EXPECT_EQ(unescape_html(U"& && &; &#; &#x; &bogus; &EACUTE;"),
            U"& && &; &#; &#x; &bogus; &EACUTE;");
}

TEST(UnescapeHtml, StrictlyDecodesAsFtfyDoes) {
  EXPECT_EQ(unescape_html_strictly(U"&copy &copy; &EACUTE; &nTILDE;"), U"&copy © É &nTILDE;");
  EXPECT_EQ(unescape_html_strictly(U"&SZLIG;&FFLIG;"), U"SSFF");
  EXPECT_EQ(unescape_html_strictly(U"&#x41; &#65 &#59; &#1;"), U"A &#65 &#59; ");
  EXPECT_EQ(unescape_html_strictly(U"&CounterClockwiseContourIntegral;"),
            U"&CounterClockwiseContourIntegral;");
}

TEST(CleanOpenClip, LowersAsPythonDoes) {
  EXPECT_EQ(clean_open_clip("A Photo"), "a photo");
  EXPECT_EQ(clean_open_clip("İ ẞ ΟΔΟΣ ΣΑ"), "i̇ ß οδος σα");
}

TEST(CleanHf, LowersCharacterByCharacter) {
  EXPECT_EQ(clean_hf("İ ẞ ΟΔΟΣ ΣΑ"), "i̇ ß οδοσ σα");
  EXPECT_EQ(clean_hf("CAFE\u0301"), "café");
  EXPECT_EQ(clean_hf("“ﬁ” &amp; Ａ"), "“ﬁ” &amp; ａ");
}

TEST(CleanOpenClip, FixesWhatFtfyFixes) {
  EXPECT_EQ(clean_open_clip("‘a’ “b” ʼ"), "'a' \"b\" '");
  EXPECT_EQ(clean_open_clip("ﬁ Ĳ ŉ"), "fi ij 'n");
  EXPECT_EQ(clean_open_clip("ＡＢ１ ｶﾞ"), "ab1 ガ");
  EXPECT_EQ(clean_open_clip("\x1b[1;31mred\x1b[0m"), "red");
  EXPECT_EQ(clean_open_clip("a\x01"
                            "b\ufeff\x7f"),
            "ab");
  EXPECT_EQ(clean_open_clip("\u0093q\u0094"), "\"q\"");
  EXPECT_EQ(clean_open_clip("cafe\u0301"), "café");
}

TEST(CleanOpenClip, KeepsCapitalReferencesOnceTextLooksLikeHtml) {
  EXPECT_EQ(clean_open_clip("&EACUTE;\n<\n&EACUTE;"), "é\n<\n&eacute;");
}

TEST(CleanOpenClip, FixesUntilNothingChanges) {
  EXPECT_EQ(clean_open_clip("&amp;amp;EACUTE;"), "é");
}

TEST(CleanOpenClip, UnescapesTwiceMore) {
  EXPECT_EQ(clean_open_clip("< &amp;lt;"), "< <");
  EXPECT_EQ(clean_open_clip("< &amp;amp;lt;"), "< &lt;");
}

TEST(SuspectedMojibake, IsUtf8ReadAsWindows1252) {
  EXPECT_TRUE(suspected_mojibake("caf\u00c3\u00a9"));
  EXPECT_TRUE(suspected_mojibake("\u00e2\u20ac\u0153quoted"));
  EXPECT_TRUE(suspected_mojibake("\u00f0\u0178\u02dc\u20ac"));
  for (const char* fine : {"", "cafe", "café", "“x” – ½", "Ünïcode…", "日本", "Ã", "â€ x"})
    EXPECT_FALSE(suspected_mojibake(fine)) << fine;
}

}  // namespace
}  // namespace paraclip
