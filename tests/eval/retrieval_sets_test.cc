// The data sets of retrieval and paraphrased retrieval, and the user's own: which files they read.

#include "paraclip/base/json.h"
#include "paraclip/eval/caption_files.h"
#include "paraclip/eval/numbering.h"
#include "paraclip/eval/registry.h"
#include "tests/base/expect_error.h"
#include "tests/eval/fake_encoder.h"
#include "tests/eval/outcomes.h"
#include "tests/support.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>

namespace paraclip {
namespace {

using test::count;
using test::value;

class RetrievalSetsTest : public testing::Test {
 protected:
  void SetUp() override {
    data_.folder = folder_.path();
    data_.recall_k = {1, 2};
    data_.k = 2;
  }

  void write(const std::string& name, const std::string& content) {
    make_directories((folder_ / name).parent_path());
    write_file_atomic(folder_ / name, content);
  }
  void embed(const std::vector<std::string>& ids) {
    embeddings_.emplace(
        test::make_embeddings(folder_ / fmt::format("embeddings {}", ++made_), ids));
    data_.embeddings = &*embeddings_;
  }
  std::string protocol(const Benchmark& benchmark, const std::string& name) {
    for (const auto& [key, text] : benchmark.protocol()) {
      if (key == name) return text;
    }
    ADD_FAILURE() << "no protocol of " << name;
    return "";
  }

  test::TemporaryFolder folder_;
  std::optional<ImageEmbeddings> embeddings_;
  int made_ = 0;
  BenchmarkData data_;
  test::FakeEncoder encoder_;
};

const std::string kCoco =
    R"({"images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
  "annotations": [{"image_id": 2, "id": 5, "caption": "two"},
                  {"image_id": 1, "id": 6, "caption": "one"}]})";
const std::string kKarpathy = R"({"images": [
  {"filepath": "val2014", "filename": "t1.jpg", "split": "test",
   "sentences": [{"raw": "A"}, {"raw": "B"}]},
  {"filepath": "val2014", "filename": "v1.jpg", "split": "val", "sentences": [{"raw": "C"}]},
  {"filepath": "val2014", "filename": "t2.jpg", "split": "test", "sentences": [{"raw": "D"}]}]})";

TEST_F(RetrievalSetsTest, CocoSaysWhichProtocolItFollows) {
  LoadedBenchmark loaded = load_retrieval_coco(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  EXPECT_NE(loaded.lacks[0].what.find("captions_val2017.json"), std::string::npos);
  EXPECT_NE(loaded.lacks[0].remedy.find("paraclip data fetch"), std::string::npos);

  write("coco_captions_val2017/captions_val2017.json", kCoco);
  embed({"1.jpg", "2.jpg"});
  loaded = load_retrieval_coco(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  EXPECT_NO_FATAL_FAILURE(value(loaded.benchmark->run(encoder_), "val2017.t2i_recall@1"));
  EXPECT_NE(protocol(*loaded.benchmark, "val2017").find("captions_val2017.json"),
            std::string::npos);

  // The split that the tables of papers use goes first.
  write("karpathy/dataset_coco.json", kKarpathy);
  embed({"t1.jpg", "v1.jpg", "t2.jpg"});
  loaded = load_retrieval_coco(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  EXPECT_EQ(count(*loaded.benchmark, "images"), 2);
  EXPECT_EQ(count(*loaded.benchmark, "captions"), 3);
  EXPECT_NE(protocol(*loaded.benchmark, "karpathy_test").find("split test"), std::string::npos);
}

TEST_F(RetrievalSetsTest, ImagesAreFoundOnTheDisk) {
  write("karpathy/dataset_coco.json", kKarpathy);
  write("coco/val2014/t1.jpg", "x");
  data_.image_tower = true;
  const LoadedBenchmark loaded = load_retrieval_coco(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  ASSERT_EQ(loaded.lacks.size(), 1U);
  EXPECT_EQ(loaded.lacks[0].what, "1 of 2 images, such as t2.jpg");
  EXPECT_NE(loaded.lacks[0].remedy.find("coco"), std::string::npos);
  write("coco/val2014/t2.jpg", "x");
  EXPECT_NE(load_retrieval_coco(data_).benchmark, nullptr);
  data_.image_tower = false;
  EXPECT_EQ(load_retrieval_coco(data_).benchmark, nullptr);
}

TEST_F(RetrievalSetsTest, Flickr30kFromEitherFile) {
  EXPECT_EQ(load_retrieval_flickr30k(data_).lacks.size(), 1U);
  write("flickr30k/captions.csv", "image,caption\n1.jpg,A dog, running\n2.jpg,Two\n");
  embed({"1.jpg", "2.jpg", "t1.jpg", "t2.jpg"});
  LoadedBenchmark loaded = load_retrieval_flickr30k(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(outcome.metrics[0].name, "csv.t2i_recall@1");
  EXPECT_EQ(outcome.examples[0].fields.at("caption"), "A dog, running");
  write("karpathy/dataset_flickr30k.json", kKarpathy);
  loaded = load_retrieval_flickr30k(data_);
  EXPECT_EQ(loaded.benchmark->run(encoder_).metrics[0].name, "karpathy_test.t2i_recall@1");
  write("karpathy/dataset_flickr30k.json", "[1]");
  test::expect_error(ErrorKind::kData, {"dataset_flickr30k.json"},
                     [&] { load_retrieval_flickr30k(data_); });
}

// The pool is the list; captions of others are counted, images without captions are distractors.
TEST_F(RetrievalSetsTest, Flickr8kSearchesInItsList) {
  EXPECT_EQ(load_retrieval_flickr8k(data_).lacks.size(), 1U);
  write("flickr8k/dev.txt", "c.jpg\nb.jpg\na.jpg\n");
  write("flickr8k/captions_dev.tsv",
        "image_id\tcaption\na.jpg\tone\nx.jpg\ttwo\nb.jpg\tthree\nb.jpg\tfour\n");
  embed({"a.jpg", "b.jpg", "c.jpg"});
  const LoadedBenchmark loaded = load_retrieval_flickr8k(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  EXPECT_EQ(count(*loaded.benchmark, "images"), 3);
  EXPECT_EQ(count(*loaded.benchmark, "captions"), 3);
  EXPECT_EQ(count(*loaded.benchmark, "images_with_captions"), 2);
  EXPECT_EQ(count(*loaded.benchmark, "captions_left_out"), 1);
  EXPECT_EQ(loaded.benchmark->run(encoder_).metrics[0].name, "t2i_recall@1");
}

TEST_F(RetrievalSetsTest, ParaphrasedFlickr8kKeepsParaphrasesAndHumanCaptionsApart) {
  EXPECT_EQ(load_paraphrased_flickr8k(data_).lacks.size(), 1U);
  write("flickr8k/dev.txt", "a.jpg\nb.jpg\nc.jpg\n");
  write("flickr8k/paraphrase_pairs_dev.tsv",
        "query\tparaphrase\timage_id\none\tuno\ta.jpg\ntwo\tdue\tb.jpg\nzwei\tdue\tb.jpg\n");
  write("flickr8k/pairs_dev.tsv", "query\tparaphrase\timage_id\none\tother\ta.jpg\n");
  embed({"a.jpg", "b.jpg", "c.jpg"});
  const LoadedBenchmark loaded = load_paraphrased_flickr8k(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(test::metric_names(outcome),
            (std::vector<std::string>{"ao@2", "js@2", "rank_correlation", "human.ao@2",
                                      "human.js@2", "human.rank_correlation"}));
  EXPECT_EQ(test::units(outcome, "ao@2"), 2U);  // Photos, not pairs.
  write("flickr8k/pairs_dev.tsv", "query\tparaphrase\timage_id\none\tother\tz.jpg\n");
  test::expect_error(ErrorKind::kData, {"pairs_dev.tsv, line 2", "z.jpg", "not in the pool"},
                     [&] { load_paraphrased_flickr8k(data_); });
}

TEST_F(RetrievalSetsTest, ParaphrasedCocoTakesDistinctPairs) {
  EXPECT_EQ(load_paraphrased_coco(data_).lacks.size(), 2U);
  write("coco_captions_val2017/captions_val2017.json", kCoco);
  for (const char* part : {"replace_obj", "replace_rel", "swap_att", "swap_obj"})
    write(fmt::format("sugar_crepe_pp/{}.json", part), "[]");
  write("sugar_crepe_pp/replace_att.json",
        R"([{"filename": "1.jpg", "caption": "x", "caption2": "y", "negative_caption": "z"},
            {"filename": "1.jpg", "caption": "x ", "caption2": "y", "negative_caption": "w"},
            {"filename": "1.jpg", "caption": "x", "caption2": "v", "negative_caption": "w"}])");
  embed({"1.jpg", "2.jpg"});
  const LoadedBenchmark loaded = load_paraphrased_coco(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  EXPECT_EQ(count(*loaded.benchmark, "pairs"), 2);
  EXPECT_EQ(test::units(loaded.benchmark->run(encoder_), "ao@2"), 1U);
  write("sugar_crepe_pp/swap_obj.json", R"([{"filename": "1.jpg", "caption": "x"}])");
  test::expect_error(ErrorKind::kData, {"swap_obj.json, case 0", "caption2"},
                     [&] { load_paraphrased_coco(data_); });
}

TEST_F(RetrievalSetsTest, OwnDataIsSilentWhereNoneIsGiven) {
  const LoadedBenchmark loaded = load_own(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_TRUE(loaded.lacks.empty());
}

TEST_F(RetrievalSetsTest, OwnCaptionsAndQueryLog) {
  write("captions.csv", "image,caption\nb,one\nc,two\nb,three\n");
  write("log.tsv", "group\tquery\ng\tq1\ng\tq2\ng\tq3\nh\tq4\n");
  data_.captions = folder_ / "captions.csv";
  data_.pairs = folder_ / "log.tsv";
  EXPECT_EQ(load_own(data_).lacks.size(), 1U);
  embed({"a", "b", "c"});
  const LoadedBenchmark loaded = load_own(data_);
  ASSERT_NE(loaded.benchmark, nullptr);
  EXPECT_EQ(count(*loaded.benchmark, "images"), 2);
  EXPECT_EQ(count(*loaded.benchmark, "pairs"), 3);
  EXPECT_EQ(count(*loaded.benchmark, "groups"), 1);
  EXPECT_EQ(count(*loaded.benchmark, "groups_of_one_query_left_out"), 1);
  const Outcome outcome = loaded.benchmark->run(encoder_);
  EXPECT_EQ(test::units(outcome, "t2i_recall@1"), 2U);
  EXPECT_EQ(test::units(outcome, "ao@2"), 1U);
}

TEST_F(RetrievalSetsTest, OwnPoolIsTheListOrAllEmbeddings) {
  write("pairs.tsv", "query\tparaphrase\nx\ty\n");
  write("list.txt", "c\na\n");
  data_.pairs = folder_ / "pairs.tsv";
  embed({"a", "b", "c"});
  EXPECT_EQ(count(*load_own(data_).benchmark, "images"), 3);
  data_.images = folder_ / "list.txt";
  EXPECT_EQ(count(*load_own(data_).benchmark, "images"), 2);
  write("list.txt", "c\nz\n");
  const LoadedBenchmark loaded = load_own(data_);
  EXPECT_EQ(loaded.benchmark, nullptr);
  EXPECT_EQ(loaded.lacks.at(0).what, "1 of 2 images, such as z");
  write("list.txt", "c\nc\n");
  test::expect_error(ErrorKind::kData, {"lists the image 'c' twice"}, [&] { load_own(data_); });
}

TEST_F(RetrievalSetsTest, TheRealFilesHoldWhatIsKnownOfThem) {
  PARACLIP_NEEDS_SHARED("data/flickr8k/embeddings");
  data_ = {};
  data_.folder = test::shared_folder() / "data";
  const ImageEmbeddings flickr = ImageEmbeddings::load(data_.folder / "flickr8k/embeddings");
  data_.embeddings = &flickr;
  const LoadedBenchmark retrieval = load_retrieval_flickr8k(data_);
  EXPECT_EQ(count(*retrieval.benchmark, "images"), 1000);
  EXPECT_EQ(count(*retrieval.benchmark, "captions"), 5000);
  const LoadedBenchmark pairs = load_paraphrased_flickr8k(data_);
  EXPECT_EQ(count(*pairs.benchmark, "pairs"), 1000);
  EXPECT_EQ(count(*pairs.benchmark, "human.pairs"), 1000);

  Numbering ids;
  for (const ImageCaption& caption :
       read_caption_file(data_.folder / "coco_captions_val2017/captions_val2017.json").captions)
    ids.number(caption.image_id);
  embed(ids.keys());
  EXPECT_EQ(count(*load_paraphrased_coco(data_).benchmark, "pairs"), 4559);
  const LoadedBenchmark coco = load_retrieval_coco(data_);
  EXPECT_EQ(count(*coco.benchmark, "images"), 5000);
  EXPECT_EQ(count(*coco.benchmark, "captions"), 25014);
}

}  // namespace
}  // namespace paraclip
