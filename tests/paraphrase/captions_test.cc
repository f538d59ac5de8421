#include "paraclip/paraphrase/captions.h"

#include "paraclip/base/file.h"
#include "tests/base/expect_error.h"
#include "tests/support.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace paraclip {
namespace {

using test::expect_error;

class CaptionsTest : public testing::Test {
 protected:
  CaptionOptions input(const std::string& name, const std::string& content) {
    write_file_atomic(folder_ / name, content);
    CaptionOptions options;
    options.file = folder_ / name;
    return options;
  }

  static std::string show(const CaptionList& list) {
    std::string text;
    for (size_t i = 0; i < list.size(); ++i)
      text += fmt::format("{}|{}|{}\n", list[i].index, list[i].image_id, list[i].text);
    return text;
  }

  std::string read(const std::string& name, const std::string& content) {
    return show(read_captions(input(name, content)));
  }

  const test::TemporaryFolder folder_;
};

TEST_F(CaptionsTest, ReadsJsonl) {
  EXPECT_EQ(read("a.jsonl",
                 "{\"caption\": \" a dog \", \"image_id\": \"x.jpg\"}\n\n"
                 "{\"caption\": \"a cat\", \"image_id\": 17}\r\n{\"caption\": \"a "
                 "\\u00e9l\\u00e9phant\"}"),
            "0|x.jpg|a dog\n1|17|a cat\n2||a \u00e9l\u00e9phant\n");
}

TEST_F(CaptionsTest, ReadsOtherKeysAndTheInputsOwnIndex) {
  CaptionOptions options = input("a.jsonl",
                                 "{\"index\": 4, \"text\": \"a dog\", \"key\": \"1\"}\n"
                                 "{\"index\": 9, \"text\": \"a cat\", \"key\": \"2\"}\n");
  options.caption_key = "text";
  options.image_key = "key";
  const CaptionList list = read_captions(options);
  EXPECT_EQ(show(list), "4|1|a dog\n9|2|a cat\n");
  EXPECT_EQ(list.find(9), 1u);
  EXPECT_EQ(list.find(5), list.size());
}

TEST_F(CaptionsTest, ReadsTsvWithAndWithoutHeader) {
  EXPECT_EQ(read("a.tsv", "image_id\tcaption\nx.jpg\ta dog \ny.jpg\ta cat\n"),
            "0|x.jpg|a dog\n1|y.jpg|a cat\n");
  EXPECT_EQ(read("b.tsv", "a dog\thttp://x\na cat\thttp://y\n"),
            "0|http://x|a dog\n1|http://y|a cat\n");
  EXPECT_EQ(read("c.tsv", "caption\na dog\n"), "0||a dog\n");
  EXPECT_EQ(read("d.tsv", "a dog\na cat\n"), "0||a dog\n1||a cat\n");
  CaptionOptions named = input("e.tsv", "title\tfilepath\na dog\tx.jpg\n");
  named.caption_key = "title";
  named.image_key = "filepath";
  EXPECT_EQ(show(read_captions(named)), "0|x.jpg|a dog\n");
  CaptionOptions numbered = input("f.tsv", "x.jpg\t5\ta dog\n");
  numbered.caption_key = "3";
  numbered.image_key = "1";
  EXPECT_EQ(show(read_captions(numbered)), "0|x.jpg|a dog\n");
}

TEST_F(CaptionsTest, ReadsPlainTextWithIdsBeside) {
  EXPECT_EQ(read("a.txt", "a dog\n\na cat"), "0|1|a dog\n1|3|a cat\n");
  CaptionOptions options = input("b.txt", "a dog\nx\na cat\n");
  write_file_atomic(folder_ / "ids.txt", "id-1\nid-2\nid-3\n");
  options.image_ids = folder_ / "ids.txt";
  EXPECT_EQ(show(read_captions(options)), "0|id-1|a dog\n1|id-3|a cat\n");
}

TEST_F(CaptionsTest, FiltersAsTheOfficialScriptAndCounts) {
  const std::string fifteen = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15";
  const CaptionList list =
      read_captions(input("a.txt", "dog\na dog\n  \n" + fifteen + "\n" + fifteen + " 16\n"));
  EXPECT_EQ(show(list), "0|2|a dog\n1|4|" + fifteen + "\n");
  EXPECT_EQ(list.counts.read, 5);
  EXPECT_EQ(list.counts.empty, 1);
  EXPECT_EQ(list.counts.too_short, 1);
  EXPECT_EQ(list.counts.too_long, 1);
  EXPECT_EQ(list.counts.kept, 2);
}

TEST_F(CaptionsTest, ShardsPartALimitedInput) {
  CaptionOptions options = input("a.txt", "a a\nb b\nc c\nd d\ne e\nf f\ng g\n");
  options.limit = 5;
  EXPECT_EQ(read_captions(options).size(), 5u);
  options.shards = 2;
  EXPECT_EQ(show(read_captions(options)), "0|1|a a\n2|3|c c\n4|5|e e\n");
  options.shard = 2;
  EXPECT_EQ(show(read_captions(options)), "1|2|b b\n3|4|d d\n");
}

TEST_F(CaptionsTest, BadInputNamesTheLine) {
  const auto fails = [&](ErrorKind kind, const CaptionOptions& options,
                         std::initializer_list<std::string> fragments) {
    expect_error(kind, fragments, [&] { read_captions(options); });
  };
  fails(ErrorKind::kData, input("a.jsonl", "{\"caption\": \"a b\"}\n{\"text\": \"a b\"}\n"),
        {"a.jsonl", "line 2", "\"caption\" is missing"});
  fails(ErrorKind::kData, input("b.jsonl", "{\"caption\": 5}\n"), {"line 1", "expected a string"});
  fails(ErrorKind::kData, input("c.jsonl", "{\"caption\"\n"), {"line 1", "not valid JSON"});
  fails(ErrorKind::kData,
        input("d.jsonl",
              "{\"caption\": \"a b\", \"index\": 3}\n{\"caption\": \"a b\", \"index\": 3}\n"),
        {"line 2", "\"index\" is 3, expected 4 or more"});
  fails(ErrorKind::kData,
        input("e.jsonl", "{\"caption\": \"a b\", \"index\": 3}\n{\"caption\": \"a b\"}\n"),
        {"line 2", "some have none"});
  fails(ErrorKind::kData, input("f.jsonl", "{\"caption\": \"a b\", \"index\": -1}\n"), {"is -1"});
  fails(ErrorKind::kData, input("g.tsv", "a dog\tx\na cat\n"), {"line 2", "no column 2"});
  CaptionOptions missing;
  missing.file = folder_ / "none.txt";
  fails(ErrorKind::kIo, missing, {"none.txt"});

  CaptionOptions named = input("h.tsv", "a\tb\n");
  named.caption_key = "text";
  fails(ErrorKind::kData, named, {"h.tsv", "no column \"text\""});
  named.image_key = "2";
  fails(ErrorKind::kUsage, named, {"two names or two numbers"});

  CaptionOptions text = input("i.txt", "a dog\na cat\n");
  write_file_atomic(folder_ / "short.txt", "1\n");
  write_file_atomic(folder_ / "long.txt", "1\n2\n3\n");
  text.image_ids = folder_ / "short.txt";
  fails(ErrorKind::kData, text, {"short.txt ends after line 1"});
  text.image_ids = folder_ / "long.txt";
  fails(ErrorKind::kData, text, {"long.txt goes on after line 2"});
  text.caption_key = "caption";
  fails(ErrorKind::kUsage, text, {"i.txt is read as plain text"});

  CaptionOptions shard = input("j.txt", "a dog\n");
  shard.shard = 4;
  shard.shards = 3;
  fails(ErrorKind::kUsage, shard, {"shard 4/3", "1/3 to 3/3"});
  expect_error(ErrorKind::kUsage, {"'csv'", "jsonl"}, [] { parse_caption_format("csv"); });
}

TEST_F(CaptionsTest, ReadsConceptualCaptions) {
  PARACLIP_NEEDS_SHARED("data/cc3m_val");
  CaptionOptions options;
  options.file = test::shared_folder() / "data/cc3m_val/Validation_GCC-1.1.0-Validation.tsv";
  const CaptionList list = read_captions(options);
  EXPECT_EQ(list.counts.read, 15833);
  EXPECT_EQ(list.counts.kept + list.counts.too_long + list.counts.too_short, 15833);
  EXPECT_EQ(list[0].text, "author : a life in photography -- in pictures");
  EXPECT_TRUE(list[0].image_id.starts_with("https://"));
}

}  // namespace
}  // namespace paraclip
