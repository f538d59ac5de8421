#include "paraclip/embed/file_source.h"
#include "paraclip/embed/image_source.h"
#include "paraclip/embed/shard_list.h"
#include "paraclip/embed/tar_source.h"
#include "paraclip/io/parquet.h"
#include "paraclip/io/tar.h"
#include "tests/base/expect_error.h"
#include "tests/embed/collection.h"

namespace paraclip {
namespace {

using test::expect_error;
using test::put;
using test::TemporaryFolder;
using Strings = std::vector<std::string>;

TEST(ShardListTest, ExpandsBraces) {
  EXPECT_EQ(expand_shards("a.tar"), Strings{"a.tar"});
  EXPECT_EQ(expand_shards("x/{008..011}.tar"),
            (Strings{"x/008.tar", "x/009.tar", "x/010.tar", "x/011.tar"}));
  EXPECT_EQ(expand_shards("{9..11}"), (Strings{"9", "10", "11"}));
  EXPECT_EQ(expand_shards("{2..0}"), (Strings{"2", "1", "0"}));
  EXPECT_EQ(expand_shards("{a,b}-{0..1}.tar::c.tar"),
            (Strings{"a-0.tar", "a-1.tar", "b-0.tar", "b-1.tar", "c.tar"}));
  EXPECT_EQ(expand_shards("{a..b}"), Strings{"a..b"});
}

TEST(ShardListTest, RefusesWhatItCannotExpand) {
  for (const char* pattern : {"{0..2", "0..2}", "{a{b,c}}", "}{"}) {
    expect_error(ErrorKind::kUsage, {pattern, "braces"}, [&] { expand_shards(pattern); });
  }
  for (const char* pattern : {"{0..18446744073709551615}", "{0..99999}{0..99999}"}) {
    expect_error(ErrorKind::kUsage, {pattern, "more than"}, [&] { expand_shards(pattern); });
  }
}

TEST(TarSourceTest, TakesNamesApartAsWebDataset) {
  const auto expect = [](std::string_view name, std::string_view key, std::string_view suffix) {
    const auto parts = parse_member_name(name);
    ASSERT_TRUE(parts) << name;
    EXPECT_EQ(parts->key, key);
    EXPECT_EQ(parts->suffix, suffix);
  };
  expect("000.jpg", "000", "jpg");
  expect("a.b/000.Seg.PNG", "a.b/000", "seg.png");
  expect("./000.jpg", "./000", "jpg");
  for (const char* name :
       {"README", "a/.hidden.jpg", "._000.jpg", "__index__", "__meta__/0.json"}) {
    EXPECT_FALSE(parse_member_name(name)) << name;
  }
}

TEST(TarSourceTest, FlattensMetadata) {
  Json fields = Json::object();
  flatten_json(parse_json(R"({"a": 1, "b": {"c": "x", "d": {"e": null}}, "f": [1, "y"]})", "test"),
               fields);
  EXPECT_EQ(fields, parse_json(R"({"a": 1, "b_c": "x", "b_d_e": null, "f": "[1,\"y\"]"})", "test"));
}

class SourceTest : public testing::Test {
 protected:
  std::unique_ptr<ImageSource> open(const std::string& images) {
    return open_image_source(images, options_);
  }
  std::vector<ImageSample> read(const ImageSource& source, size_t shard) {
    std::vector<ImageSample> samples;
    const auto reader = source.open(shard);
    for (ImageSample sample; reader->next(sample);) samples.push_back(sample);
    return samples;
  }
  std::vector<ImageSample> read_tar(
      const std::vector<std::pair<std::string, std::string>>& members) {
    TarWriter writer(folder_ / "0.tar");
    for (const auto& [name, content] : members) writer.add(name, content);
    writer.commit();
    const auto source = open((folder_ / "0.tar").string());
    EXPECT_EQ(source->shards(), 1u);
    return read(*source, 0);
  }

  TemporaryFolder folder_;
  ImageSourceOptions options_;
};

TEST_F(SourceTest, GroupsMembersOfTars) {
  const auto samples = read_tar({{"0.jpg", "J0"},
                                 {"0.json", R"({"caption": "zero", "n": 0, "exif": {"x": 1}})"},
                                 {"README", "text"},
                                 {"1.PNG", "P1"},
                                 {"1.txt", "one"},
                                 {"1.json", "{broken"},
                                 {"2.txt", "two"},
                                 {"3.jpg", "J3"},
                                 {"3.jpg", "again"},
                                 {"4.jpg", ""}});
  ASSERT_EQ(samples.size(), 6u);
  EXPECT_EQ(samples[0].id, "0");
  EXPECT_EQ(samples[0].bytes, "J0");
  EXPECT_EQ(samples[0].caption, "zero");
  EXPECT_EQ(samples[0].fields["n"], 0);
  EXPECT_EQ(samples[0].fields["exif_x"], 1);
  EXPECT_EQ(samples[1].bytes, "P1");
  EXPECT_EQ(samples[1].caption, "one");
  EXPECT_EQ(samples[1].problem, "");
  EXPECT_NE(samples[2].problem.find("jpg, png"), std::string::npos) << samples[2].problem;
  EXPECT_EQ(samples[3].bytes, "J3");
  EXPECT_EQ(samples[3].caption, std::nullopt);
  EXPECT_EQ(samples[4].id, "3");
  EXPECT_EQ(samples[4].bytes, "again");
  EXPECT_EQ(samples[5].problem, "the file is empty");
}

TEST_F(SourceTest, PrefersImageKeysInTheirOrder) {
  options_.image_key = "big.png;jpg";
  const auto samples = read_tar({{"0.jpg", "J"}, {"0.big.png", "P"}, {"1.jpg", "J"}});
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].bytes, "P");
  EXPECT_EQ(samples[1].bytes, "J");
}

TEST_F(SourceTest, CountsTheLostTailOfADamagedTarAsBad) {
  read_tar({{"0.jpg", std::string(3000, 'a')}, {"1.jpg", std::string(3000, 'b')}});
  std::filesystem::resize_file(folder_ / "0.tar", 6000);
  const auto samples = read(*open((folder_ / "0.tar").string()), 0);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].problem, "");
  EXPECT_EQ(samples[1].id, "0.tar");
  EXPECT_NE(samples[1].problem.find("damaged"), std::string::npos);
}

// img2dataset's Parquet file has rows for failed downloads, which the tar lacks.
TEST_F(SourceTest, JoinsImg2datasetByKey) {
  write_parquet(folder_ / "0.parquet", {{"url", {"u0", "u1", "u2"}},
                                        {"key", {"000", "001", "002"}},
                                        {"caption", {"c0", "c1", "c2"}},
                                        {"status", {"success", "failed_to_download", "success"}}});
  const auto samples = read_tar({{"000.jpg", "J"}, {"002.jpg", "J"}, {"003.jpg", "J"}});
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].caption, "c0");
  EXPECT_EQ(samples[1].fields["url"], "u2");
  EXPECT_EQ(samples[1].caption, "c2");
  EXPECT_TRUE(samples[2].fields.empty());
}

TEST_F(SourceTest, ReadsFoldersSortedWithCaptions) {
  for (const char* name : {"b.jpg", "a/2.PNG", "a/10.webp", "a/10.txt", "c.txt", "notes.md",
                           ".hidden.jpg", ".git/x.jpg", "d.jpeg"}) {
    put(folder_ / name, name);
  }
  options_.shard_size = 3;
  const auto source = open(folder_.path().string());
  EXPECT_EQ(source->images(), 4);
  ASSERT_EQ(source->shards(), 2u);
  const auto samples = read(*source, 0);
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].id, "a/10.webp");
  EXPECT_EQ(samples[0].file, folder_ / "a/10.webp");
  EXPECT_EQ(samples[0].caption, "a/10.txt");
  EXPECT_EQ(samples[1].id, "a/2.PNG");
  EXPECT_EQ(samples[1].caption, std::nullopt);
  EXPECT_EQ(samples[2].id, "b.jpg");
  EXPECT_EQ(read(*source, 1).at(0).id, "d.jpeg");
}

TEST_F(SourceTest, ReadsLists) {
  put(folder_ / "list.txt", "x/a.jpg\n\n/b.png\n");
  const auto plain = read(*open((folder_ / "list.txt").string()), 0);
  ASSERT_EQ(plain.size(), 2u);
  EXPECT_EQ(plain[0].id, "x/a.jpg");
  EXPECT_EQ(plain[0].file, folder_ / "x/a.jpg");
  EXPECT_EQ(plain[1].file, "/b.png");
  put(folder_ / "list.tsv", "id\tcaption\tpath\n7\ta cat\tx/a.jpg\n8\t\tb.jpg\n");
  const auto table = read(*open((folder_ / "list.tsv").string()), 0);
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0].id, "7");
  EXPECT_EQ(table[0].caption, "a cat");
  EXPECT_EQ(table[0].file, folder_ / "x/a.jpg");
  put(folder_ / "list.tsv", "image\nb.jpg\n");
  EXPECT_EQ(read(*open((folder_ / "list.tsv").string()), 0).at(0).id, "b.jpg");
}

TEST_F(SourceTest, SaysWhatIsWrongWithASource) {
  expect_error(ErrorKind::kIo, {"missing"}, [&] { open((folder_ / "missing").string()); });
  expect_error(ErrorKind::kIo, {"0.tar"}, [&] { open((folder_ / "{0..1}.tar").string()); });
  expect_error(ErrorKind::kData, {"no images"}, [&] { open(folder_.path().string()); });
  put(folder_ / "list", "");
  expect_error(ErrorKind::kData, {"lists no images"}, [&] { open((folder_ / "list").string()); });
  put(folder_ / "list", "a\tb\n1\t2\n");
  expect_error(ErrorKind::kData, {"line 1", "\"image\" or \"path\""},
               [&] { open((folder_ / "list").string()); });
  put(folder_ / "list", "path\tid\nx\t1\ny\t1\n");
  expect_error(ErrorKind::kData, {"\"1\" comes twice"}, [&] { open((folder_ / "list").string()); });
  options_.image_key = ";";
  expect_error(ErrorKind::kUsage, {"image key"}, [&] { open(folder_.path().string()); });
}

TEST_F(SourceTest, HasAFingerprintOfWhatIsInIt) {
  put(folder_ / "d/a.jpg", "x");
  const std::string one = open((folder_ / "d").string())->fingerprint();
  EXPECT_EQ(open((folder_ / "d").string())->fingerprint(), one);
  put(folder_ / "d/b.jpg", "x");
  const std::string two = open((folder_ / "d").string())->fingerprint();
  EXPECT_NE(two, one);
  options_.shard_size = 1;
  EXPECT_NE(open((folder_ / "d").string())->fingerprint(), two);
}

}  // namespace
}  // namespace paraclip
