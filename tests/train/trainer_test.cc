#include "paraclip/train/trainer.h"

#include "paraclip/base/error.h"
#include "paraclip/io/jsonl.h"
#include "tests/train/trainer_fixture.h"

#include <cmath>
#include <limits>
#include <set>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

TEST_F(TrainerTest, AKilledAndResumedRunEndsWithTheSameBytes) {
  const TrainState straight = run(options("straight"), distance_metric);
  EXPECT_EQ(straight.step, 12);
  for (const int64_t kill_at : {3, 6, 9}) {
    TrainOptions killed = options("killed");
    fs::remove_all(killed.output);
    int64_t evaluations = 0;
    // An evaluation runs before the checkpoint of its step is written: that step's work is lost.
    const auto evaluate = [&](const TextModel& current) {
      if (evaluations++ == kill_at / 3) throw Killed();
      return distance_metric(current);
    };
    EXPECT_THROW(run(killed, evaluate), Killed);
    killed.resume = true;
    run(killed, distance_metric);
    EXPECT_EQ(weights(folder / "straight/last"), weights(folder / "killed/last")) << kill_at;
  }
}

TEST_F(TrainerTest, BestIsTheBestEvaluationNotTheLast) {
  const TrainState state = run(options("run"), distance_metric);
  EXPECT_EQ(state.best_step, 0);
  EXPECT_GT(*state.best_value, state.last_metrics["ao@10"].get<double>());
  EXPECT_EQ(fs::read_symlink(folder / "run/best"), "checkpoints/step-00000000");
  EXPECT_EQ(fs::read_symlink(folder / "run/last"), "checkpoints/step-00000012");
  EXPECT_EQ(TextModel::load(folder / "run/best").fingerprint(),
            TextModel::load(test::golden_clip() / "model").fingerprint());
  EXPECT_NE(TextModel::load(folder / "run/last").fingerprint(),
            TextModel::load(test::golden_clip() / "model").fingerprint());
  std::set<std::string> kept;
  for (const auto& entry : fs::directory_iterator(folder / "run/checkpoints")) {
    kept.insert(entry.path().filename().string());
  }
  EXPECT_EQ(kept, (std::set<std::string>{"step-00000000", "step-00000012"}));
}

TEST_F(TrainerTest, EachCheckpointHasACardOfRecipeDataAndMetrics) {
  run(options("run"), distance_metric);
  const std::string card = read_file(folder / "run/last/README.md");
  const std::string base = TextModel::load(test::golden_clip() / "model").fingerprint();
  for (const std::string& part :
       {std::string("Step 12 of a run that began from a text tower with the fingerprint ") + base,
        std::string("every embedding of an image made with the base stays valid"),
        std::string("| triples to draw from | 16 |"), std::string("| batch-size | 4 |"),
        std::string("| loss-weights | [1.0,1.0,1.0] |"), std::string("| ao@10 | "),
        TextModel::load(folder / "run/last").fingerprint()}) {
    EXPECT_NE(card.find(part), std::string::npos) << part << " in: " << card;
  }
  TrainOptions text_only = options("text");
  text_only.text_only = true;
  run(text_only);
  EXPECT_NE(read_file(folder / "text/last/README.md").find("CLIPTextModelWithProjection"),
            std::string::npos);
}

TEST_F(TrainerTest, LossFallsAndMetricsAreLogged) {
  TrainOptions longer = options("run");
  longer.epochs = 20;
  run(longer);
  JsonlReader reader(folder / "run/metrics.jsonl");
  std::vector<double> losses;
  for (Json record; reader.next(record);) {
    losses.push_back(record["loss"].get<double>());
    EXPECT_GE(record["data_wait"].get<double>(), 0);
    EXPECT_LE(record["data_wait"].get<double>(), 1);
  }
  ASSERT_EQ(losses.size(), 80U);
  EXPECT_LT(losses.back(), 0.5 * losses.front());
  EXPECT_FALSE(fs::is_empty(folder / "run/tensorboard"));
}

TEST_F(TrainerTest, EachEpochVisitsEverySampleOnceInAnotherOrder) {
  const Trainer trainer(objective, options("run"), {}, {});
  std::vector<std::vector<int64_t>> epochs(2);
  for (int64_t step = 0; step < 8; ++step) {
    for (const int64_t sample : trainer.samples_of(step)) {
      epochs[static_cast<size_t>(step / 4)].push_back(sample);
    }
  }
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) {
    EXPECT_EQ(std::set<int64_t>(epoch.begin(), epoch.end()).size(), 16U);
  }
}

TEST_F(TrainerTest, NonFiniteStepsChangeNothingAndEndTheRun) {
  TrainOptions limited = options("run");
  limited.max_skipped = 3;
  Trainer trainer(objective, limited, {}, {});
  {
    const at::NoGradGuard no_grad;
    at::Tensor bias = model.tower().parameters()[3].second;
    bias[0] = std::numeric_limits<float>::quiet_NaN();
  }
  const std::string before = model.fingerprint();
  const StepReport report = trainer.step(trainer.samples_of(0), 1e-3);
  EXPECT_FALSE(report.finite);
  EXPECT_EQ(model.fingerprint(), before);
  try {
    trainer.run();
    FAIL() << "the run should give up";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNumeric);
    EXPECT_NE(std::string(error.what()).find("3 non-finite steps in a row"), std::string::npos);
  }
  EXPECT_TRUE(fs::exists(folder / "run/checkpoints/step-00000000/COMPLETE"));
}

TEST_F(TrainerTest, TheLogitScaleStaysInItsRange) {
  Trainer trainer(objective, options("run"), {}, {});
  at::Tensor(model.tower().logit_scale().detach()).fill_(4.9);
  trainer.step(trainer.samples_of(0), 1e-3);
  EXPECT_NEAR(model.tower().logit_scale().item<double>(), std::log(100.0), 1e-6);
}

TEST_F(TrainerTest, AFrozenTemperatureStays) {
  TrainOptions frozen = options("run");
  frozen.freeze_temperature = true;
  const double before = model.tower().logit_scale().item<double>();
  Trainer trainer(objective, frozen, {}, {});
  trainer.step(trainer.samples_of(0), 1e-2);
  EXPECT_EQ(model.tower().logit_scale().item<double>(), before);
}

TEST_F(TrainerTest, AnotherRunsFolderAndOtherOptionsAreRefused) {
  run(options("run"));
  EXPECT_THROW(run(options("run")), Error);
  TrainOptions other = options("run");
  other.resume = true;
  other.learning_rate = 2e-3;
  try {
    run(other);
    FAIL() << "another learning rate should be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(std::string(error.what()).find("lr was 0.001 and is 0.002"), std::string::npos)
        << error.what();
  }
  TrainOptions empty = options("empty");
  empty.resume = true;
  EXPECT_THROW(run(empty), Error);
}

TEST_F(TrainerTest, AnIncompleteCheckpointIsNotResumedFrom) {
  run(options("run"));
  fs::remove(folder / "run/checkpoints/step-00000012/COMPLETE");
  fs::create_directory(folder / "run/checkpoints/step-00000099.tmp");
  const CheckpointStore store(folder / "run");
  EXPECT_FALSE(store.last().has_value());
}

TEST_F(TrainerTest, BatchesThatCannotBeAreRefused) {
  TrainOptions other = options("run");
  other.batch_size = 100;
  EXPECT_THROW(Trainer(objective, other, {}, {}), Error);
  for (const int64_t batch_size : {1, 0}) {
    other.batch_size = batch_size;
    EXPECT_THROW(Trainer(objective, other, {}, {}), Error);
  }
}

}  // namespace
}  // namespace paraclip
