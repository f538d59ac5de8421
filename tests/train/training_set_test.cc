#include "paraclip/train/training_set.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "tests/train/golden_data.h"

namespace paraclip {
namespace {

class TrainingSetTest : public testing::Test {
 protected:
  TrainingSet load(const std::string& jsonl, double max_missing) {
    write_file_atomic(folder / "triples.jsonl", jsonl);
    return TrainingSet::load(folder / "triples.jsonl", images, model, max_missing);
  }

  std::string error_of(const std::string& jsonl, double max_missing = 0) {
    try {
      load(jsonl, max_missing);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "no error";
  }

  test::TemporaryFolder folder;
  ImageEmbeddings images = ImageEmbeddings::load(test::golden_clip() / "embeddings");
  TextModel model = TextModel::load(test::golden_clip() / "model");
};

const std::string kGood =
    R"({"index":0,"image_id":"image-02","caption":"a","paraphrase_1":"b","paraphrase_2":"c d"})"
    "\n";
const std::string kUnknown =
    R"({"image_id":"nowhere","caption":"a","paraphrase_1":"b","paraphrase_2":"c"})"
    "\n";
const std::string kIncomplete =
    R"({"image_id":"image-00","caption":"a","paraphrase_1":null,"paraphrase_2":null})"
    "\n";

TEST_F(TrainingSetTest, JoinsByImageIdAndCountsWhatIsLeftOut) {
  const TrainingSet set = load(kGood + kUnknown + kIncomplete + kGood + kUnknown, 0.5);
  EXPECT_EQ(set.size(), 2);
  EXPECT_EQ(set.image_row(0), 2);
  EXPECT_EQ(set.report().read, 5);
  EXPECT_EQ(set.report().missing, 2);
  EXPECT_EQ(set.report().incomplete, 1);
  EXPECT_EQ(set.report().missing_ids, std::vector<std::string>{"nowhere"});
  EXPECT_EQ(set.tokens(0, TrainingSet::kParaphrase2), model.tokenize("c d"));
  EXPECT_EQ(set.identity(0, TrainingSet::kCaption), set.identity(1, TrainingSet::kCaption));
  EXPECT_NE(set.identity(0, TrainingSet::kCaption), set.identity(0, TrainingSet::kParaphrase1));
}

TEST_F(TrainingSetTest, TooManyUnknownImagesAreAnErrorThatListsThem) {
  const std::string error = error_of(kGood + kUnknown, 0.4);
  EXPECT_NE(error.find("1 of 2 triples"), std::string::npos) << error;
  EXPECT_NE(error.find("--max-missing"), std::string::npos) << error;
  EXPECT_NE(error.find("nowhere"), std::string::npos) << error;
  EXPECT_EQ(load(kGood + kUnknown, 0.5).size(), 1);
}

TEST_F(TrainingSetTest, MalformedRecordsNameTheLine) {
  EXPECT_NE(error_of(kGood + "{\"image_id\": 3}\n").find("triples.jsonl, line 2"),
            std::string::npos);
  EXPECT_NE(error_of(kGood + "{oops\n").find("line 2"), std::string::npos);
  EXPECT_NE(error_of(kIncomplete).find("no triple to train on"), std::string::npos);
}

TEST_F(TrainingSetTest, LongTextsAreCutAndCounted) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "zebra ";
  const TrainingSet set = load(R"({"image_id":"image-00","caption":")" + text +
                                   R"(","paraphrase_1":"b","paraphrase_2":"c"})" + "\n",
                               0);
  EXPECT_EQ(set.report().truncated, 1);
  EXPECT_EQ(set.tokens(0, TrainingSet::kCaption).size(), 24U);
  EXPECT_EQ(set.tokens(0, TrainingSet::kCaption).back(), model.tokenizer().end_token());
}

}  // namespace
}  // namespace paraclip
