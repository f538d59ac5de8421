#include "paraclip/train/pair_set.h"

#include "paraclip/base/error.h"
#include "paraclip/io/tar.h"
#include "tests/train/pair_data.h"

#include <ATen/ATen.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

class PairSetTest : public testing::Test {
 protected:
  // Writes a shard of these members.
  fs::path write_shard(const std::string& name,
                       const std::vector<std::pair<std::string, std::string>>& members) {
    TarWriter writer(folder / name);
    for (const auto& [member, content] : members) writer.add(member, content);
    writer.commit();
    return folder / name;
  }

  PairSet from_folder() {
    return PairSet::from_folder(folder / "images", folder / "captions.tsv", model);
  }

  template <class Work>
  std::string error_of(const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "no error";
  }

  test::TemporaryFolder folder;
  std::vector<test::PairSample> samples = test::pair_samples();
  TextModel model = TextModel::load(test::golden_vision());
};

TEST_F(PairSetTest, AFolderGivesEachImageItsCaptions) {
  test::write_pair_folder(folder.path(), samples);
  const PairSet set = from_folder();
  ASSERT_EQ(set.size(), 8);
  EXPECT_EQ(set.truncated(), 0);
  for (int64_t k = 0; k < set.size(); ++k) {
    const test::PairSample& sample = samples[static_cast<size_t>(k)];
    EXPECT_EQ(set.bytes(k), sample.jpeg) << k;
    EXPECT_EQ(fs::path(set.name(k)), folder / "images/sub" / (std::to_string(k) + ".jpg"));
    const auto [first, end] = set.captions(k);
    ASSERT_EQ(end - first, static_cast<int64_t>(sample.captions.size())) << k;
    for (int64_t caption = first; caption < end; ++caption) {
      EXPECT_EQ(set.tokens(caption),
                model.tokenize(sample.captions[static_cast<size_t>(caption - first)]));
    }
  }
}

TEST_F(PairSetTest, CaptionsOfAnImageNeedNotStandTogether) {
  test::write_pair_folder(folder.path(), samples);
  write_file_atomic(folder / "captions.tsv",
                    "image_id\tcaption\nsub/5.jpg\ta dog\nsub/2.jpg\ta cat\nsub/5.jpg\ta car\n");
  const PairSet set = from_folder();
  ASSERT_EQ(set.size(), 2);
  EXPECT_EQ(set.bytes(0), samples[5].jpeg);
  EXPECT_EQ(set.captions(0), std::pair(int64_t{0}, int64_t{2}));
  EXPECT_EQ(set.tokens(1), model.tokenize("a car"));
  EXPECT_EQ(set.tokens(2), model.tokenize("a cat"));
}

TEST_F(PairSetTest, EqualCaptionsHaveOneIdentity) {
  test::write_pair_folder(folder.path(), samples);
  write_file_atomic(folder / "captions.tsv",
                    "image_id\tcaption\nsub/0.jpg\ta dog\nsub/1.jpg\tA  DOG\nsub/2.jpg\ta cat\n");
  const PairSet set = from_folder();
  EXPECT_EQ(set.identity(0), set.identity(1));
  EXPECT_NE(set.identity(0), set.identity(2));
}

TEST_F(PairSetTest, LongCaptionsAreCutAndCounted) {
  test::write_pair_folder(folder.path(), samples);
  std::string words;
  for (int i = 0; i < 50; ++i) words += "guitar ";
  write_file_atomic(folder / "captions.tsv",
                    "image_id\tcaption\nsub/0.jpg\t" + words + "\nsub/1.jpg\ta dog\n");
  const PairSet set = from_folder();
  EXPECT_EQ(set.truncated(), 1);
  EXPECT_EQ(static_cast<int64_t>(set.tokens(0).size()), model.config().text.context_length);
}

TEST_F(PairSetTest, ACaptionOfAnImageThatIsMissingIsNamedWithItsLine) {
  test::write_pair_folder(folder.path(), samples);
  fs::remove(folder / "images/sub/3.jpg");
  const std::string error = error_of([&] { from_folder(); });
  EXPECT_NE(error.find("captions.tsv"), std::string::npos) << error;
  EXPECT_NE(error.find("there is no image \"sub/3.jpg\""), std::string::npos) << error;
  write_file_atomic(folder / "captions.tsv", "image_id\tcaption\n");
  EXPECT_NE(error_of([&] { from_folder(); }).find("no image with a caption"), std::string::npos);
}

TEST_F(PairSetTest, ShardsGiveTheSamplesThatAreWhole) {
  const fs::path first = write_shard("0.tar", {{"000.jpg", samples[0].jpeg},
                                               {"000.txt", "a dog"},
                                               {"000.json", "{}"},
                                               {"001.jpg", samples[1].jpeg},
                                               {"002.txt", "no image"},
                                               {"a/003.v2.txt", "of another member"},
                                               {"a/003.txt", "a car"},
                                               {"a/003.JPEG", samples[3].jpeg}});
  const fs::path second =
      write_shard("1.tar", {{"000.txt", "a cat"}, {"000.png", samples[2].jpeg}});
  const PairSet set = PairSet::from_shards({first, second}, model);
  ASSERT_EQ(set.size(), 3);
  EXPECT_EQ(set.left_out(), 2);
  EXPECT_EQ(set.bytes(0), samples[0].jpeg);
  EXPECT_EQ(set.bytes(1), samples[3].jpeg);
  EXPECT_EQ(set.bytes(2), samples[2].jpeg);
  EXPECT_EQ(set.tokens(0), model.tokenize("a dog"));
  EXPECT_EQ(set.tokens(1), model.tokenize("a car"));
  EXPECT_EQ(set.tokens(2), model.tokenize("a cat"));
  EXPECT_EQ(fs::path(set.name(1)), first / "a/003");
  EXPECT_EQ(fs::path(set.name(2)), second / "000");
}

TEST_F(PairSetTest, ShardsWithoutSamplesAreRefused) {
  const fs::path shard = write_shard("0.tar", {{"000.txt", "a dog"}, {"001.jpg", "x"}});
  const std::string error = error_of([&] { PairSet::from_shards({shard}, model); });
  EXPECT_NE(error.find("0.tar holds no image with a caption (2 left out)"), std::string::npos)
      << error;
}

TEST_F(PairSetTest, ACompressedOrDamagedShardIsRefused) {
  const fs::path shard = write_shard("0.tar", {{"0.txt", "a dog"}, {"0.jpg", samples[0].jpeg}});
  ASSERT_EQ(std::system(("gzip -k '" + shard.string() + "'").c_str()), 0);
  const std::string error = error_of([&] { PairSet::from_shards({folder / "0.tar.gz"}, model); });
  EXPECT_NE(error.find("0.tar.gz is compressed"), std::string::npos) << error;
  const std::string bytes = read_file(shard);
  write_file_atomic(shard, bytes.substr(0, 1024 + 512 + 100));
  EXPECT_NE(error_of([&] { PairSet::from_shards({shard}, model); }).find("0.tar"),
            std::string::npos);
}

TEST_F(PairSetTest, TheFingerprintTellsCaptionsAndImagesApart) {
  test::write_pair_folder(folder.path(), samples);
  const std::string before = from_folder().fingerprint();
  EXPECT_EQ(from_folder().fingerprint(), before);
  const std::string table = read_file(folder / "captions.tsv");
  write_file_atomic(folder / "captions.tsv", table + "sub/7.jpg\tone more\n");
  EXPECT_NE(from_folder().fingerprint(), before);
  std::string renamed = table;
  renamed.replace(renamed.find("sub/0.jpg"), 9, "sub/9.jpg");
  fs::copy(folder / "images/sub/0.jpg", folder / "images/sub/9.jpg");
  write_file_atomic(folder / "captions.tsv", renamed);
  EXPECT_NE(from_folder().fingerprint(), before);
}

}  // namespace
}  // namespace paraclip
