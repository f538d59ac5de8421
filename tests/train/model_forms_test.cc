// Models of other forms than HF's folders are trained, saved, resumed and loaded again.

#include "paraclip/base/file.h"
#include "paraclip/clip/checkpoint.h"
#include "paraclip/io/npy.h"
#include "paraclip/io/safetensors.h"
#include "paraclip/train/trainer.h"
#include "paraclip/train/triple_objective.h"
#include "tests/train/golden_data.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden";

class ModelFormsTest : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  // Embeddings of the golden triples' images, of any width.
  ImageEmbeddings images_of_width(int64_t width) {
    const fs::path target = folder / fmt::format("images{}", width);
    if (!fs::exists(target)) {
      fs::create_directories(target / "img_emb");
      write_file_atomic(target / "ids.txt",
                        read_file(test::golden_clip() / "embeddings" / "ids.txt"));
      const ImageEmbeddings golden = ImageEmbeddings::load(test::golden_clip() / "embeddings");
      const at::Tensor rows = normalize_rows(at::randn({golden.size(), width}));
      write_npy(target / "img_emb" / "img_emb_0.npy", rows);
    }
    return ImageEmbeddings::load(target);
  }

  TrainState train(const ModelSource& source, const std::string& name, int64_t epochs,
                   bool text_only = false) {
    TextModel model = TextModel::load(source);
    const ImageEmbeddings images = images_of_width(model.config().text.projection_dim);
    const TrainingSet set =
        TrainingSet::load(test::golden_clip() / "triples.jsonl", images, model, 0);
    TripleObjective objective(model, set, images, {});
    TrainOptions options;
    options.output = folder / name;
    options.batch_size = 4;
    options.epochs = 4;
    options.learning_rate = 1e-3;
    options.warmup = 2;
    options.text_only = text_only;
    options.resume = fs::exists(options.output);
    int64_t evaluations = 0;
    options.eval_every = 4;  // An epoch.
    const auto stop = [&](const TextModel&) {
      if (evaluations++ == epochs) throw Stop();
      return Json{{"ao@10", 1.0}};
    };
    return Trainer(objective, options, epochs < 4 ? Evaluator(stop) : Evaluator(), {}).run();
  }

  struct Stop {};

  test::TemporaryFolder folder;
};

TEST_F(ModelFormsTest, RobertaIsTrainedAndTheImageTowerKept) {
  for (const char* projection : {"mlp", "linear"}) {
    const fs::path base = kGolden / "roberta" / projection;
    const std::string run = projection;
    train(base, run, 4);
    const ModelFiles before = ModelFiles::open(base),
                     after = ModelFiles::open(folder / run / "last");
    EXPECT_EQ(after.config.text.architecture, TextArchitecture::kRoberta);
    const std::vector<NamedTensor> old_text = read_text_tensors(before),
                                   new_text = read_text_tensors(after);
    ASSERT_EQ(old_text.size(), new_text.size());
    for (size_t i = 0; i < old_text.size(); ++i) {
      EXPECT_FALSE(at::equal(old_text[i].second, new_text[i].second)) << old_text[i].first;
    }
    const std::vector<NamedTensor> old_image = view_vision_tensors(before),
                                   new_image = view_vision_tensors(after);
    ASSERT_EQ(old_image.size(), new_image.size());
    for (size_t i = 0; i < old_image.size(); ++i) {
      EXPECT_EQ(old_image[i].second.scalar_type(), new_image[i].second.scalar_type());
      EXPECT_TRUE(at::equal(old_image[i].second, new_image[i].second)) << old_image[i].first;
    }
    EXPECT_EQ(TextModel::load(folder / run / "last").tokenize("a dog"),
              TextModel::load(base).tokenize("a dog"));
  }
}

TEST_F(ModelFormsTest, ARunStoppedAndResumedEndsWithTheSameBytes) {
  // Weights alone, of a tower whose image tower is not supported, end in HF's form.
  const fs::path weights = folder / "laclip.safetensors";
  const ModelFiles files = ModelFiles::open(kGolden / "vision/quick_gelu/open_clip");
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : files.need_weights().file().entries()) {
    const std::string renamed =
        name == "visual.conv1.weight" ? "visual.patch_embed.proj.weight" : name;
    tensors.emplace_back("module." + renamed, entry.view());
  }
  write_safetensors(weights, tensors, {});
  fs::copy(kGolden / "vision/quick_gelu/open_clip/tokenizer.json", folder / "tokenizer.json");

  const std::pair<ModelSource, bool> forms[] = {
      {kGolden / "roberta/mlp", false},
      {kGolden / "vision/gelu/open_clip", false},
      {ModelSource(weights, Activation::kQuickGelu), true}};
  for (const auto& [source, text_only] : forms) {
    const std::string name = source.path.filename().string();
    train(source, name + "-straight", 4, text_only);
    EXPECT_THROW(train(source, name + "-stopped", 2, text_only), Stop);
    train(source, name + "-stopped", 4, text_only);
    const fs::path straight = folder / (name + "-straight") / "last";
    const fs::path stopped = folder / (name + "-stopped") / "last";
    const ModelFamily family = ModelFiles::open(straight).config.family;
    for (const char* file :
         {weights_file_name(family), "trainer.safetensors", config_file_name(family)}) {
      EXPECT_EQ(read_file(straight / file), read_file(stopped / file)) << name << " " << file;
    }
    EXPECT_EQ(family == ModelFamily::kHf, text_only);
  }
}

}  // namespace
}  // namespace paraclip
