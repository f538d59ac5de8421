// That the ids are those of open_clip's tokenizer is shown by tests/golden/roberta_golden_test.cc.

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/clip/bpe.h"
#include "paraclip/clip/roberta_words.h"
#include "paraclip/clip/text_cleaning.h"
#include "paraclip/clip/tokenizer.h"
#include "paraclip/clip/unicode.h"
#include "tests/clip/vocabulary_folder.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace paraclip {
namespace {

using Ids = std::vector<int64_t>;
using Words = std::vector<std::string_view>;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Words split(std::string_view text) {
  Words words;
  while (!text.empty()) {
    words.push_back(text.substr(0, gpt2_word_length(text)));
    text.remove_prefix(words.back().size());
  }
  return words;
}

// The expected words are those of ByteLevel in tokenizers 0.23.3.
TEST(Gpt2Words, AreThoseOfThePattern) {
  EXPECT_EQ(split("it's  a\t\tb \n"), (Words{"it", "'s", " ", " a", "\t", "\t", "b", " \n"}));
  EXPECT_EQ(split("a  "), (Words{"a", "  "}));
  EXPECT_EQ(split("'s''s we'LL they'll 12ab"),
            (Words{"'s", "''", "s", " we", "'", "LL", " they", "'ll", " 12", "ab"}));
  EXPECT_EQ(split("  x  "), (Words{" ", " x", "  "}));
  EXPECT_EQ(split("\u00a0\u00a0y \u3000"), (Words{"\u00a0", "\u00a0", "y", " \u3000"}));
  EXPECT_EQ(split("été café 3½①!? 中文"), (Words{"été", " café", " 3½①", "!?", " 中文"}));
  EXPECT_EQ(split(" 's"), (Words{" '", "s"}));
  EXPECT_EQ(split("\t's"), (Words{"\t", "'s"}));
  EXPECT_EQ(split("a \u0301b"), (Words{"a", " \u0301", "b"}));
  EXPECT_EQ(split("\n\nx"), (Words{"\n", "\n", "x"}));
}

TEST(CleanRoberta, KeepsCaseAndLeavesOneBlankBetweenWords) {
  EXPECT_EQ(clean_roberta(" \t A  Cat\n\u3000&nbsp;&amp;amp; “Dog”\u2003 "), "A Cat & \"Dog\"");
  EXPECT_EQ(clean_roberta("A\r\nB "), "A B");
  EXPECT_EQ(clean_roberta("a\vb &#28;c"), "ab c");
  EXPECT_EQ(clean_roberta(" \n"), "");
}

// A folder with a small vocabulary: special tokens, bytes, and the merges "Ġ l", "Ġl o", "l o".
class RobertaFolder : public test::VocabularyFolder {
 protected:
  static constexpr int64_t kBytes = 4, kBlankLo = kBytes + 257, kLo = kBytes + 258, kMask = kLo + 2;

  RobertaFolder() : VocabularyFolder(TokenizerFamily::kRoberta) {
    for (const char* token : {"<s>", "<pad>", "</s>", "<unk>"}) tokens_.emplace_back(token);
    for (const ByteSymbol& entry : byte_symbols())
      tokens_.push_back(encode_utf8({&entry.symbol, 1}));
    for (const char* token : {"Ġl", "Ġlo", "lo", "madeupword0000", "<mask>"})
      tokens_.emplace_back(token);
    write_vocab();
    write("merges.txt", "#version: 0.2\nĠ l\nĠl o\nl o\n");
  }

  // The id of a printable ASCII character.
  static int64_t id_of(char c) { return kBytes + c - '!'; }
};

TEST_F(RobertaFolder, EncodesWordsWithTheBlankBeforeThem) {
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.vocabulary_size(), kMask + 1);
  EXPECT_EQ(tokenizer.encode(" lo  lo\n", 0).ids, (Ids{0, kLo, kBlankLo, 2}));
  EXPECT_EQ(tokenizer.encode("Lo"), (Ids{id_of('L'), id_of('o')}));
  EXPECT_EQ(tokenizer.encode("lo lo lo lo", 4).ids, (Ids{0, kLo, kBlankLo, 2}));
  EXPECT_TRUE(tokenizer.encode("lo lo lo lo", 4).truncated);
  EXPECT_TRUE(tokenizer.encode("caf\u00c3\u00a9", 0).suspected_mojibake);
  const std::string text = "Ünï lo, 中文 🐶!";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, 0).ids), text);
}

TEST_F(RobertaFolder, TakesSpecialTokensInTextAsTheyAreWritten) {
  const int64_t blank = load().encode("x <s>")[1];
  EXPECT_EQ(load().encode("lo <mask> lo<s></s><pad><unk>"),
            (Ids{kLo, blank, kMask, kBlankLo, 0, 2, 1, 3}));
  EXPECT_EQ(load().encode("<S>"), (Ids{id_of('<'), id_of('S'), id_of('>')}));
}

TEST_F(RobertaFolder, TakesTheBlanksBeforeMaskWhereTheDecidingFileSaysSo) {
  const auto mask = [](bool strips) {
    return Json{{"content", "<mask>"}, {"lstrip", strips}, {"rstrip", false}};
  };
  const auto takes_blanks = [&](const Json& config, const Json& added, const Json& special) {
    write("tokenizer_config.json", config.dump());
    write("tokenizer.json", Json{{"added_tokens", added}}.dump());
    write("special_tokens_map.json", special.dump());
    return load().encode("lo <mask>") == Ids{kLo, kMask};
  };
  const Json none = Json::array(), empty = Json::object();
  const auto added = [&](bool strips) { return Json::array({mask(strips)}); };
  const auto named = [&](bool strips) { return Json{{"mask_token", mask(strips)}}; };
  const auto decoder = [&](bool strips) {
    return Json{{"added_tokens_decoder", {{"50264", mask(strips)}}}, {"mask_token", "<mask>"}};
  };
  EXPECT_FALSE(takes_blanks(empty, none, empty));
  // What transformers 5.23 does with these files.
  EXPECT_TRUE(takes_blanks(decoder(true), added(false), empty));
  EXPECT_FALSE(takes_blanks(decoder(false), added(true), named(true)));
  EXPECT_FALSE(takes_blanks(named(true), added(false), named(true)));
  EXPECT_TRUE(takes_blanks(named(false), added(true), named(false)));
  EXPECT_TRUE(takes_blanks(named(false), none, named(true)));
  EXPECT_TRUE(takes_blanks(named(true), none, empty));
  EXPECT_TRUE(takes_blanks(empty, added(true), Json{{"mask_token", "<mask>"}}));
}

TEST_F(RobertaFolder, PutsABlankBeforeEachPieceWhereItsConfigSaysSo) {
  write("tokenizer_config.json", R"({"add_prefix_space": true})");
  EXPECT_EQ(load().encode("lo<s>lo <s> lo").front(), kBlankLo);
  EXPECT_EQ(load().encode("lo<s>lo"), (Ids{kBlankLo, 0, kBlankLo}));
  write("tokenizer_config.json", "[]");
  EXPECT_TRUE(contains(error(), "expected an object, found array")) << error();
}

TEST_F(RobertaFolder, ComesFromTokenizerJsonToo) {
  std::filesystem::remove(folder_ / "vocab.json");
  std::filesystem::remove(folder_ / "merges.txt");
  EXPECT_TRUE(contains(error(), "add the files of that name of the roberta-base")) << error();
  Json model = {{"type", "BPE"}, {"end_of_word_suffix", ""}, {"vocab", vocab()}};
  model["merges"] = {"Ġ l", "Ġl o", "l o"};
  for (const Json& suffix : {Json(""), Json()}) {
    model["end_of_word_suffix"] = suffix;
    write("tokenizer.json", Json{{"model", model}}.dump());
    EXPECT_EQ(load().encode("lo lo"), (Ids{kLo, kBlankLo}));
  }
  model["end_of_word_suffix"] = "</w>";
  write("tokenizer.json", Json{{"model", model}}.dump());
  EXPECT_TRUE(contains(error(), "end_of_word_suffix is \"</w>\", expected \"\"")) << error();
}

TEST_F(RobertaFolder, ThatIsIncompleteIsRefusedByName) {
  // A config.json of whatever kind is none of the tokenizer's business.
  write("config.json", R"({"model_type": "roberta"})");
  EXPECT_EQ(error(), "no error");
  const std::vector<std::string> whole = tokens_;
  for (const char* token : {"<s>", "</s>", "<pad>", "<unk>", "<mask>", "q"}) {
    tokens_ = whole;
    tokens_.erase(std::find(tokens_.begin(), tokens_.end(), token));
    write_vocab();
    EXPECT_TRUE(contains(error(), token)) << error();
    EXPECT_TRUE(contains(error(), "not among its")) << error();
  }
  tokens_ = whole;
  tokens_.emplace_back("low</w>");
  write_vocab();
  EXPECT_TRUE(contains(error(), "no merge makes the token 'low</w>'")) << error();
  EXPECT_THROW(Tokenizer::built_in(TokenizerFamily::kRoberta), Error);
}

}  // namespace
}  // namespace paraclip
