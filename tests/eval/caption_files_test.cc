#include "paraclip/eval/caption_files.h"

#include "paraclip/base/file.h"
#include "paraclip/io/csv.h"
#include "paraclip/io/tar.h"
#include "tests/base/expect_error.h"
#include "tests/support.h"

#include <gtest/gtest.h>

namespace paraclip {
namespace {

using test::expect_error;

class CaptionFilesTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& content) {
    write_file_atomic(folder_ / name, content);
    return folder_ / name;
  }

  // Image ids and captions, one a line, as "id|caption".
  static std::string lines(const CaptionFile& file) {
    std::string text;
    for (const ImageCaption& caption : file.captions)
      text += caption.image_id + "|" + caption.caption + "\n";
    return text;
  }

  void expect_bad(const std::string& name, const std::string& content,
                  std::initializer_list<std::string> fragments) {
    const std::filesystem::path path = write(name, content);
    expect_error(ErrorKind::kData, fragments, [&] { read_caption_file(path); });
  }

  test::TemporaryFolder folder_;
};

constexpr const char* kCoco = R"({
  "info": {}, "images": [{"id": 7, "file_name": "b.jpg"}, {"id": 5, "file_name": "a.jpg"},
                         {"id": 9, "file_name": "none.jpg"}],
  "annotations": [{"image_id": 5, "id": 31, "caption": "one "},
                  {"image_id": 7, "id": 32, "caption": "two"},
                  {"image_id": 5, "id": 33, "caption": "three"},
                  {"image_id": 5, "caption": "four"},
                  {"image_id": 5, "id": 35, "caption": "five"},
                  {"image_id": 5, "id": 36, "caption": "six"},
                  {"image_id": 5, "id": 37, "caption": "seven"}]})";

// All captions of an image, also where it has more than five; images by their file names.
TEST_F(CaptionFilesTest, ReadsCoco) {
  const CaptionFile file = read_caption_file(write("captions.json", kCoco));
  EXPECT_EQ(lines(file),
            "a.jpg|one \nb.jpg|two\na.jpg|three\na.jpg|four\na.jpg|five\na.jpg|six\na.jpg|seven\n");
  EXPECT_EQ(file.captions[1].id, 32);
  EXPECT_EQ(file.captions[3].id, -1);
  EXPECT_EQ(file.form, "COCO's captions");
}

constexpr const char* kKarpathy = R"({"dataset": "coco", "images": [
  {"filepath": "val2014", "filename": "x.jpg", "split": "test", "cocoid": 1,
   "sentences": [{"tokens": ["a"], "raw": "A.", "sentid": 770337}, {"raw": "B", "sentid": 2}]},
  {"filepath": "train2014", "filename": "y.jpg", "split": "restval", "sentences": [{"raw": "C"}]},
  {"filename": "z.jpg", "split": "test", "sentences": [{"raw": "D"}]}]})";

TEST_F(CaptionFilesTest, ReadsOneOfKarpathysSplits) {
  const auto path = write("dataset_coco.json", kKarpathy);
  const CaptionFile test = read_caption_file(path);
  EXPECT_EQ(lines(test), "x.jpg|A.\nx.jpg|B\nz.jpg|D\n");
  EXPECT_EQ(test.form, "Karpathy's split test");
  EXPECT_EQ(test.captions[0].id, 770337);
  EXPECT_EQ(test.captions[0].folder, "val2014");
  EXPECT_EQ(test.captions[2].folder, "");
  EXPECT_EQ(lines(read_caption_file(path, "restval")), "y.jpg|C\n");
  EXPECT_EQ(read_caption_file(path, "").captions.size(), 4U);
  expect_error(ErrorKind::kData, {"no split \"val\"", "restval, test"},
               [&] { read_caption_file(path, "val"); });
}

TEST_F(CaptionFilesTest, ReadsQuotedCsv) {
  EXPECT_EQ(lines(read_caption_file(write("captions.csv",
                                          "\xEF\xBB\xBFimage,caption\r\n"
                                          "a.jpg,\"one, \"\"two\"\"\"\r\n"
                                          "\"b,b.jpg\",\"two\nlines\"\r\n\r\n"
                                          "c.jpg,\"last\""))),
            "a.jpg|one, \"two\"\nb,b.jpg|two\nlines\nc.jpg|last\n");
}

// Flickr30k's lines: a caption's commas don't end it.
TEST_F(CaptionFilesTest, ReadsUnquotedCsv) {
  EXPECT_EQ(lines(read_caption_file(write("captions.csv",
                                          "image,caption\n"
                                          "1.jpg,A dog, a \"cat\", and a man .\n"
                                          "1.jpg,Two\n2.jpg,Three , \r\n"))),
            "1.jpg|A dog, a \"cat\", and a man .\n1.jpg|Two\n2.jpg|Three , \n");
}

TEST_F(CaptionFilesTest, ReadsTsv) {
  EXPECT_EQ(lines(read_caption_file(
                write("captions.tsv", "split\timage_id\tcaption\ndev\ta\tone\ndev\tb\ttwo\n"))),
            "a|one\nb|two\n");
}

TEST_F(CaptionFilesTest, ReadsTheTextsOfAWebDataset) {
  TarWriter tar(folder_ / "00000.tar");
  tar.add("dir/001.jpg", "picture");
  tar.add("dir/001.txt", "one\r\n\ntwo\n");
  tar.add("002.txt", "three");
  tar.add("002.json", "{}");
  tar.add("__meta__", "x");
  tar.commit();
  const CaptionFile file = read_caption_file(folder_ / "00000.tar");
  EXPECT_EQ(lines(file), "dir/001|one\ndir/001|two\n002|three\n");
  EXPECT_EQ(file.form, "WebDataset");
}

TEST_F(CaptionFilesTest, DamagedJsonIsRejectedWithItsPlace) {
  expect_bad("a.json", "{", {"a.json", "not valid JSON"});
  expect_bad("a.json", "[]", {"no list \"images\""});
  expect_bad("a.json", R"({"images": [], "annotations": []})", {"holds no captions"});
  expect_bad("a.json", R"({"images": [{"id": 1}], "annotations": []})", {"images[0]", "file_name"});
  expect_bad("a.json",
             R"({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}],
                  "annotations": []})",
             {"images[1]", "listed twice"});
  expect_bad("a.json", R"({"images": [], "annotations": [{"image_id": 4, "caption": "x"}]})",
             {"annotations[0]", "image 4"});
  expect_bad("a.json",
             R"({"images": [{"id": 1, "file_name": "a"}],
                  "annotations": [{"image_id": 1, "caption": " \n"}]})",
             {"annotations[0]", "blank"});
  expect_bad("a.json", R"({"images": [{"filename": "a", "split": "test"}]})",
             {"images[0]", "no list \"sentences\""});
  expect_bad("a.json",
             R"({"images": [{"filename": "a", "split": "test", "sentences": [{"raw": 5}]}]})",
             {"images[0]", "raw"});
}

TEST_F(CaptionFilesTest, DamagedTablesAreRejectedWithTheirPlace) {
  expect_bad("a.csv", "", {"a.csv", "image,caption"});
  expect_bad("a.csv", "caption,image\nx,y\n", {"caption,image", "expected"});
  expect_bad("a.csv", "image,caption\n", {"holds no captions"});
  expect_bad("a.csv", "image,caption\na.jpg,x\nno comma\n", {"line 3", "too few"});
  expect_bad("a.csv", "image,caption\na.jpg,\"x\nb.jpg,y\n", {"line 2", "not closed"});
  expect_bad("a.csv", "image,caption\na.jpg,\"x\"y\n", {"line 2", "behind the closing quote"});
  expect_bad("a.csv", "image,caption\n\"a\"b,x\n", {"line 2", "a comma"});
  expect_bad("a.csv", "image,caption\na.jpg,\"x\ny\"\nb.jpg,  \n", {"line 4", "caption is blank"});
  expect_bad("a.tsv", "image_id\tcaption\na\t \n", {"line 2", "caption is blank"});
  expect_bad("a.tsv", "image\tcaption\na\tb\n", {"image_id"});
  expect_error(ErrorKind::kIo, {"none.tsv"}, [&] { read_caption_file(folder_ / "none.tsv"); });
}

TEST_F(CaptionFilesTest, DamagedTarsAreRejected) {
  expect_bad("a.tar", std::string(2000, 'x'), {"a.tar"});
  {
    TarWriter tar(folder_ / "b.tar");
    tar.add("1.txt", std::string(3000, 'x'));
    tar.commit();
  }
  expect_bad("b.tar", read_file(folder_ / "b.tar").substr(0, 1500), {"b.tar"});
  {
    TarWriter tar(folder_ / "c.tar");
    tar.add("1.txt", " \n");
    tar.commit();
  }
  expect_error(ErrorKind::kData, {"c.tar", "1.txt", "blank"},
               [&] { read_caption_file(folder_ / "c.tar"); });
}

TEST_F(CaptionFilesTest, ReadsTheRealCaptions) {
  PARACLIP_NEEDS_SHARED("data/coco_captions_val2017/captions_val2017.json");
  EXPECT_EQ(
      read_caption_file(test::shared_folder() / "data/coco_captions_val2017/captions_val2017.json")
          .captions.size(),
      25014U);
}

}  // namespace
}  // namespace paraclip
