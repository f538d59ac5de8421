#include "paraclip/clip/tokenizer.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/clip/bpe.h"
#include "paraclip/clip/unicode.h"
#include "tests/clip/vocabulary_folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <sstream>
#include <thread>

namespace paraclip {
namespace {

using Ids = std::vector<int64_t>;

const Tokenizer& open_clip() {
  static const Tokenizer tokenizer = Tokenizer::built_in(TokenizerFamily::kOpenClip);
  return tokenizer;
}

const Tokenizer& hf() {
  static const Tokenizer tokenizer = Tokenizer::built_in(TokenizerFamily::kHf);
  return tokenizer;
}

std::vector<Json> read_jsonl(const std::filesystem::path& path) {
  std::vector<Json> records;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) records.push_back(parse_json(line, "golden"));
  return records;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Tokenizer, GivesTheIdsOfBothReferences) {
  const auto golden = std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests/golden/tokenizer";
  const std::vector<Json> records = read_jsonl(golden / "golden.jsonl");
  ASSERT_GT(records.size(), 200u);
  for (const Json& record : records) {
    const std::string text = record["text"];
    EXPECT_EQ(open_clip().encode(text), record["open_clip"].get<Ids>()) << record["text"];
    EXPECT_EQ(hf().encode(text), record["hf"].get<Ids>()) << record["text"];
  }
}

// Three of the 94 edge cases are mojibake, which ftfy repairs and this does not.
TEST(Tokenizer, GivesTheIdsOfOpenAi) {
  PARACLIP_NEEDS_SHARED("data/clip_tokenizer_vectors");
  const auto folder = test::shared_folder() / "data/clip_tokenizer_vectors";
  const std::vector<std::string> mojibake = {"sch√∂n", "schÃ¶n", "â€œquotedâ€\u009d"};
  for (const char* name :
       {"openai_golden_edge.jsonl", "openai_golden_text.jsonl", "public_reference.jsonl"}) {
    for (const Json& record : read_jsonl(folder / name)) {
      const std::string text = record["text"];
      if (std::find(mojibake.begin(), mojibake.end(), text) != mojibake.end()) continue;
      EXPECT_EQ(open_clip().encode(text, 0).ids, record["ids"].get<Ids>()) << record["text"];
    }
  }
}

TEST(Tokenizer, TakesSpecialTokensInText) {
  for (const char* text : {"a <|endoftext|> b", "a <end_of_text> b", "a <End_Of_Text> b"})
    EXPECT_EQ(open_clip().encode(text), (Ids{320, 49407, 321})) << text;
  EXPECT_EQ(hf().encode("a <|endoftext|> b<|startoftext|>"), (Ids{320, 49407, 321, 49406}));
  // transformers: only as written; what lower-casing makes of it is cut out and split again.
  EXPECT_EQ(hf().encode("x<|StartOfText|>!!"), (Ids{343, 27, 347, 993, 6659, 4160, 91, 285, 748}));
  EXPECT_EQ(hf().encode("a<|ENDOFTEXT|>&b"), (Ids{320, 27, 347, 40786, 4160, 91, 285, 261, 321}));
  // Normalized piece by piece: the accent does not reach the e.
  EXPECT_EQ(hf().encode("e<|endoftext|>\u0301"), (Ids{324, 49407, 136, 479}));
}

TEST(Tokenizer, CutsAtTheContextLengthAndEndsWithTheEndToken) {
  const auto whole = open_clip().encode("a photo of a cat", 7);
  EXPECT_EQ(whole.ids, (Ids{49406, 320, 1125, 539, 320, 2368, 49407}));
  EXPECT_FALSE(whole.truncated);
  const auto cut = open_clip().encode("a photo of a cat", 6);
  EXPECT_EQ(cut.ids, (Ids{49406, 320, 1125, 539, 320, 49407}));
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(open_clip().encode("", 77).ids, (Ids{49406, 49407}));
  EXPECT_THROW(open_clip().encode("a", 1), Error);
  EXPECT_THROW(open_clip().encode("a", -1), Error);
}

TEST(Tokenizer, CountsMojibakeInTheFamilyThatWouldRepairIt) {
  EXPECT_TRUE(open_clip().encode("caf\u00c3\u00a9", 0).suspected_mojibake);
  EXPECT_FALSE(open_clip().encode("café", 0).suspected_mojibake);
  EXPECT_FALSE(hf().encode("caf\u00c3\u00a9", 0).suspected_mojibake);
}

TEST(Tokenizer, DecodesWhatItEncoded) {
  const auto ids = open_clip().encode("A cat, café 中文 🐶!", 0).ids;
  EXPECT_EQ(open_clip().decode(ids), "a cat , café 中文 🐶!");
  EXPECT_EQ(open_clip().decode({}), "");
  EXPECT_THROW(open_clip().decode(Ids{49408}), Error);
  EXPECT_THROW(open_clip().decode(Ids{-1}), Error);
}

TEST(Tokenizer, TakesAnyBytes) {
  EXPECT_EQ(open_clip().encode("caf\xc3\xa9 \xff x"), (Ids{15304, 39802, 343}));
  EXPECT_EQ(open_clip().encode(std::string("a\0b", 3)), open_clip().encode("ab"));
  EXPECT_EQ(hf().encode(std::string("a\0b", 3)), (Ids{320, 444, 321}));
}

TEST(Tokenizer, TakesAVeryLongWord) {
  const Ids ids = open_clip().encode(std::string(300000, 'a'));
  EXPECT_EQ(open_clip().decode(ids), std::string(300000, 'a'));
}

TEST(Tokenizer, EncodesFromManyThreads) {
  const Ids expected = open_clip().encode("ＡＢ &eacute; “ΟΔΟΣ”");
  std::vector<std::thread> threads;
  std::atomic<int> different = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k)
        different += open_clip().encode("ＡＢ &eacute; “ΟΔΟΣ”") != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different, 0);
}

// A model folder with a small vocabulary of its own: the bytes and the merges "l o", "lo w</w>".
class SmallVocabulary : public test::VocabularyFolder {
 protected:
  SmallVocabulary() : VocabularyFolder(TokenizerFamily::kHf) {
    for (const char* suffix : {"", "</w>"}) {
      for (const ByteSymbol& entry : byte_symbols())
        tokens_.push_back(encode_utf8({&entry.symbol, 1}) + suffix);
    }
    for (const char* token : {"lo", "low</w>", "<|startoftext|>", "<|endoftext|>"})
      tokens_.emplace_back(token);
    write_vocab();
    write("merges.txt", "#version: 0.2\nl o\nlo w</w>\n");
  }
};

TEST_F(SmallVocabulary, IsUsed) {
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.vocabulary_size(), 516);
  EXPECT_EQ(tokenizer.start_token(), 514);
  EXPECT_EQ(tokenizer.end_token(), 515);
  EXPECT_EQ(tokenizer.encode("low lox", 0).ids, (Ids{514, 513, 512, 256 + 'x' - '!', 515}));
}

TEST_F(SmallVocabulary, LacksABytesTokenAndGivesTheEndToken) {
  tokens_.erase(std::find(tokens_.begin(), tokens_.end(), "q"));
  write_vocab();
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.encode("qlow"), (Ids{tokenizer.end_token(), 512}));
}

TEST_F(SmallVocabulary, ComesFromTokenizerJsonToo) {
  for (const Json& merges :
       {Json::parse(R"(["l o", "lo w</w>"])"), Json::parse(R"([["l", "o"], ["lo", "w</w>"]])")}) {
    std::filesystem::remove(folder_ / "vocab.json");
    std::filesystem::remove(folder_ / "merges.txt");
    Json model = {{"type", "BPE"}, {"end_of_word_suffix", "</w>"}, {"vocab", vocab()}};
    model["merges"] = merges;
    write("tokenizer.json", Json{{"model", model}}.dump());
    const Tokenizer tokenizer = load();
    EXPECT_EQ(tokenizer.encode("low"), (Ids{513}));
    model["end_of_word_suffix"] = nullptr;
    write("tokenizer.json", Json{{"model", model}}.dump());
    EXPECT_TRUE(contains(error(), "end_of_word_suffix is null")) << error();
  }
  write("tokenizer.json", R"({"model": {"type": 5, "vocab": {}, "merges": []}})");
  EXPECT_TRUE(contains(error(), "model.type is 5, expected \"BPE\"")) << error();
  write("tokenizer.json", "[]");
  EXPECT_TRUE(contains(error(), "expected a \"model\" with")) << error();
}

TEST_F(SmallVocabulary, ThatIsBrokenIsRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> broken_merges = {
      {"#version: 0.2\nl o\nlo\n", "merges.txt, line 3: found 'lo'"},
      {"#version: 0.2\nl o\n\nlo w</w>\n", "merges.txt, line 3: found ''"},
      {"l o\nlo w</w>\nx y z\n", "merges.txt, line 3: found 'x y z'"},
      {"#version: 0.2\nl o\nlo x\n", "merges.txt, line 3: 'lo x' needs the token 'lox'"},
      {"#version: 0.2\nl o\nlo w</w>\nl o\n",
       "merges.txt, line 4: the merge 'l o' appears a second"},
      {"#version: 0.2\nl o\n", "no merge makes the token 'low</w>' (id 513)"},
  };
  for (const auto& [merges, message] : broken_merges) {
    write("merges.txt", merges);
    EXPECT_TRUE(contains(error(), message)) << error();
  }
  write("merges.txt", "l o\nlo w</w>\n");
  EXPECT_EQ(error(), "no error");

  Json changed = vocab();
  changed["lo"] = 513;
  write("vocab.json", changed.dump());
  EXPECT_TRUE(contains(error(), "have the same id 513")) << error();
  changed["lo"] = 600;
  write("vocab.json", changed.dump());
  EXPECT_TRUE(contains(error(), "the id of 'lo' is 600, expected an integer from 0 to 515"))
      << error();
  changed["lo"] = "x";
  write("vocab.json", changed.dump());
  EXPECT_TRUE(contains(error(), "the id of 'lo' is \"x\"")) << error();
  write("vocab.json", "[1, 2]");
  EXPECT_TRUE(contains(error(), "the vocabulary is array")) << error();
  write("vocab.json", vocab().dump().substr(0, 100));
  EXPECT_TRUE(contains(error(), "vocab.json: not valid JSON")) << error();
  tokens_.pop_back();
  write_vocab();
  EXPECT_TRUE(contains(error(), "<|endoftext|> or <end_of_text> is not among its 515 tokens"))
      << error();
  std::filesystem::remove(folder_ / "vocab.json");
  EXPECT_TRUE(contains(error(), "merges.txt is there, but vocab.json is missing")) << error();
}

TEST_F(SmallVocabulary, FitsTheModel) {
  write("config.json", R"({"model_type": "clip_text_model", "vocab_size": 520})");
  EXPECT_EQ(error(), "no error");
  write("config.json", R"({"model_type": "clip_text_model", "vocab_size": 515})");
  EXPECT_TRUE(contains(error(), "vocab_size is 515")) << error();
  std::filesystem::remove(folder_ / "vocab.json");
  std::filesystem::remove(folder_ / "merges.txt");
  EXPECT_TRUE(contains(error(), "add the model's vocab.json and merges.txt")) << error();
  write("config.json", R"({"model_type": "clip_text_model"})");
  EXPECT_EQ(load().vocabulary_size(), 49408);
  const std::string missing =
      test::error_of([&] { Tokenizer::load(folder_ / "missing", TokenizerFamily::kHf); });
  EXPECT_TRUE(contains(missing, "is not a folder")) << missing;
}

TEST(TokenizerFamily, HasNames) {
  EXPECT_EQ(parse_tokenizer_family("open_clip"), TokenizerFamily::kOpenClip);
  EXPECT_EQ(parse_tokenizer_family("hf"), TokenizerFamily::kHf);
  EXPECT_EQ(parse_tokenizer_family("roberta"), TokenizerFamily::kRoberta);
  EXPECT_THROW(parse_tokenizer_family("bert"), Error);
}

}  // namespace
}  // namespace paraclip
