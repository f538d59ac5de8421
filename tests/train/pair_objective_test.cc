#include "paraclip/train/pair_objective.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/image/decode.h"
#include "paraclip/io/jsonl.h"
#include "paraclip/train/trainer.h"
#include "tests/train/pair_data.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <set>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// Thrown by an evaluator to end a run as a kill would.
struct Killed {};

// The towers of the golden model, and an objective over a set.
struct Towers {
  Towers(const PairSet& set, const PairOptions& options)
      : objective(text, vision, set, read_preprocessing(folder), options) {
    text.tower().set_trainable(true);
    vision.set_trainable(true);
  }

  StepLoss loss(const std::vector<int64_t>& samples, uint64_t draw) {
    return objective.accumulate_gradients(*objective.prepare(samples, draw));
  }

  ModelFiles folder = ModelFiles::open(test::golden_vision());
  TextModel text = TextModel::load(test::golden_vision());
  VisionTower vision = VisionTower(*folder.config.vision, read_vision_tensors(folder));
  PairObjective objective;
};

class PairObjectiveTest : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  PairSet make_set() {
    test::write_pair_folder(folder.path(), test::pair_samples());
    return PairSet::from_folder(folder / "images", folder / "captions.tsv",
                                TextModel::load(test::golden_vision()));
  }

  TrainOptions options(const std::string& name) {
    TrainOptions options;
    options.output = folder / name;
    options.batch_size = 4;
    options.epochs = 4;
    options.learning_rate = 2e-3;
    options.warmup = 2;
    options.eval_every = 3;
    options.log_every = 1;
    return options;
  }

  TrainState run(const TrainOptions& options, const Evaluator& evaluate = {}) {
    Towers towers(set, {});
    return Trainer(towers.objective, options, evaluate, {}).run();
  }

  static std::string weights(const fs::path& folder) {
    return read_file(folder / "model.safetensors") + read_file(folder / "trainer.safetensors");
  }

  double loss_of(const std::vector<int64_t>& samples, uint64_t draw,
                 const PairOptions& pair_options = {}) {
    Towers towers(set, pair_options);
    return towers.loss(samples, draw).total;
  }

  test::TemporaryFolder folder;
  PairSet set = make_set();
  std::vector<int64_t> all = {0, 1, 2, 3, 4, 5, 6, 7};
};

TEST_F(PairObjectiveTest, LossFallsAndBothTowersMove) {
  TrainOptions longer = options("run");
  longer.epochs = 40;
  longer.eval_every = 1000;
  run(longer);
  JsonlReader reader(folder / "run/metrics.jsonl");
  std::vector<double> losses;
  for (Json record; reader.next(record);) losses.push_back(record["loss"].get<double>());
  ASSERT_EQ(losses.size(), 80U);
  EXPECT_LT(losses.back(), 0.5 * losses.front());
  const fs::path base = test::golden_vision(), last = folder / "run/last";
  EXPECT_NE(ImageModel::load(last).fingerprint(), ImageModel::load(base).fingerprint());
  EXPECT_NE(TextModel::load(last).fingerprint(), TextModel::load(base).fingerprint());
}

TEST_F(PairObjectiveTest, WhatIsDrawnIsAFunctionOfTheDraw) {
  EXPECT_EQ(loss_of(all, 1), loss_of(all, 1));
  std::set<double> losses;
  for (uint64_t draw = 0; draw < 6; ++draw) losses.insert(loss_of(all, draw));
  EXPECT_GT(losses.size(), 4U);
  const double one_thread = loss_of(all, 1);
  at::set_num_threads(2);
  EXPECT_NEAR(loss_of(all, 1), one_thread, 1e-5);
}

// Captions of different lengths are told apart by their tokens.
TEST_F(PairObjectiveTest, EveryCaptionIsDrawn) {
  PairOptions whole;
  whole.min_crop_scale = 1;
  Towers towers(set, whole);
  std::set<int64_t> one_caption, three_captions;
  for (uint64_t draw = 0; draw < 30; ++draw) {
    one_caption.insert(towers.loss({0, 3}, draw).tokens);
    three_captions.insert(towers.loss({2, 0}, draw).tokens);
  }
  EXPECT_EQ(one_caption.size(), 1U);
  EXPECT_EQ(three_captions.size(), 3U);
}

TEST_F(PairObjectiveTest, WithoutADrawPixelsAreThePlainPreprocessing) {
  const Preprocessing preprocessing = read_preprocessing(ModelFiles::open(test::golden_vision()));
  const at::Tensor pixels = load_pixels(set, all, preprocessing, {}, std::nullopt);
  EXPECT_EQ(pixels.sizes(), at::IntArrayRef({8, 3, 17, 17}));
  at::Tensor expected = at::empty({3, 17, 17});
  for (int64_t i = 0; i < 8; ++i) {
    const std::string bytes = set.bytes(i);
    preprocess(decode_image(std::as_bytes(std::span(bytes)), "test", 1 << 20), preprocessing,
               {expected.mutable_data_ptr<float>(), 3 * 17 * 17});
    EXPECT_TRUE(at::equal(pixels[i], expected)) << i;
  }
  const at::Tensor drawn = load_pixels(set, all, preprocessing, {}, 5);
  EXPECT_TRUE(at::equal(drawn, load_pixels(set, all, preprocessing, {}, 5)));
  EXPECT_FALSE(at::equal(drawn, load_pixels(set, all, preprocessing, {}, 6)));
  EXPECT_FALSE(at::equal(drawn, pixels));
}

TEST_F(PairObjectiveTest, IdenticalCaptionsCanBeMasked) {
  write_file_atomic(folder / "captions.tsv",
                    "image_id\tcaption\nsub/0.jpg\ta dog\nsub/1.jpg\ta dog\nsub/2.jpg\ta cat\n");
  set = PairSet::from_folder(folder / "images", folder / "captions.tsv",
                             TextModel::load(test::golden_vision()));
  PairOptions masked;
  masked.mask_identical = true;
  EXPECT_LT(loss_of({0, 1, 2}, 0, masked), loss_of({0, 1, 2}, 0));
  EXPECT_EQ(loss_of({0, 2}, 0, masked), loss_of({0, 2}, 0));
}

TEST_F(PairObjectiveTest, AKilledAndResumedRunEndsWithTheSameBytes) {
  const Evaluator metric = [](const TextModel& model) {
    return Json{{"ao@10", model.encode({"a dog"}).sum().item<double>()}};
  };
  const TrainState straight = run(options("straight"), metric);
  EXPECT_EQ(straight.step, 8);
  for (const int64_t kill_at : {3, 6}) {
    TrainOptions killed = options("killed");
    fs::remove_all(killed.output);
    int64_t evaluations = 0;
    const Evaluator evaluate = [&](const TextModel& current) {
      if (evaluations++ == kill_at / 3) throw Killed();
      return metric(current);
    };
    EXPECT_THROW(run(killed, evaluate), Killed);
    killed.resume = true;
    run(killed, metric);
    EXPECT_EQ(weights(folder / "straight/last"), weights(folder / "killed/last")) << kill_at;
  }
}

TEST_F(PairObjectiveTest, AResumedRunMustAgreeOnTheImageSide) {
  run(options("run"));
  TrainOptions again = options("run");
  again.resume = true;
  PairOptions other;
  other.min_crop_scale = 0.5;
  Towers towers(set, other);
  try {
    const Trainer trainer(towers.objective, again, {}, {});
    FAIL() << "another crop scale should be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(std::string(error.what()).find("min-crop-scale was 0.9 and is 0.5"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(PairObjectiveTest, AnImageThatCannotBeReadIsNamed) {
  write_file_atomic(folder / "images/sub/4.jpg", "no JPEG");
  try {
    loss_of(all, 0);
    FAIL() << "a broken image should be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("sub/4.jpg"), std::string::npos) << error.what();
  }
}

TEST_F(PairObjectiveTest, OptionsAndSizesThatCannotBeAreRefused) {
  for (const double scale : {0.0, 1.5, -1.0}) {
    PairOptions bad;
    bad.min_crop_scale = scale;
    EXPECT_THROW(Towers(set, bad), Error) << scale;
  }
  Towers towers(set, {});
  Preprocessing large = read_preprocessing(towers.folder);
  large.image_size = 224;
  EXPECT_THROW(PairObjective(towers.text, towers.vision, set, large, {}), Error);
}

}  // namespace
}  // namespace paraclip
