// What keeps a run from doing harm, and what it keeps: the guard metric, patience, layer-wise
// decay, LoRA, checkpoints; each resumed bit for bit.

#include "paraclip/base/error.h"
#include "paraclip/io/jsonl.h"
#include "tests/train/trainer_fixture.h"

#include <cmath>
#include <set>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

using RetentionTest = TrainerTest;

// Gives one pair of (ao@10, guard) after the other.
Evaluator scripted(std::vector<std::pair<double, double>> values) {
  auto next = std::make_shared<size_t>(0);
  return [values, next](const TextModel&) {
    const auto& [metric, guard] = values.at((*next)++);
    return Json{{"ao@10", metric}, {"guard", guard}};
  };
}

std::vector<Json> evaluations(const fs::path& run) {
  std::vector<Json> records;
  JsonlReader reader(run / "metrics.jsonl");
  for (Json record; reader.next(record);) {
    if (record["kind"] == "eval") records.push_back(record);
  }
  return records;
}

TEST_F(RetentionTest, BestIsChosenAmongEvaluationsThatHoldTheGuard) {
  TrainOptions guarded = options("run");
  guarded.guard_metric = "guard";
  guarded.guard_drop = 2;
  const TrainState state =
      run(guarded, scripted({{10, 50}, {20, 48.0}, {30, 47.9}, {15, 60}, {25, 47}}));
  EXPECT_EQ(state.best_step, 3);
  EXPECT_EQ(*state.best_value, 20);
  EXPECT_EQ(fs::read_symlink(folder / "run/best"), "checkpoints/step-00000003");
  std::vector<bool> held;
  for (const Json& record : evaluations(folder / "run")) held.push_back(record["guard_held"]);
  EXPECT_EQ(held, (std::vector<bool>{true, true, false, true, false}));

  guarded.output = folder / "typing";
  guarded.guard_metric = "gard";
  EXPECT_NE(test::error_of([&] {
              run(guarded, scripted({{1, 1}}));
            }).find("--guard-metric gard"),
            std::string::npos);
}

TEST_F(RetentionTest, PatienceEndsTheRunAfterSoManyEvaluationsWithoutANewBest) {
  TrainOptions patient = options("run");
  patient.guard_metric = "guard";
  patient.patience = 2;
  // Step 6 breaks the guard, step 9 is no better than step 3.
  const auto values = scripted({{10, 50}, {20, 50}, {30, 40}, {15, 50}, {40, 50}});
  const TrainState state = run(patient, values);
  EXPECT_EQ(state.step, 9);
  EXPECT_EQ(state.best_step, 3);
  EXPECT_EQ(fs::read_symlink(folder / "run/last"), "checkpoints/step-00000009");
  EXPECT_EQ(evaluations(folder / "run").back()["stopped_early"], true);
  EXPECT_FALSE(evaluations(folder / "run")[2].contains("stopped_early"));
  // It does not go on when resumed, unless it is told to have more patience.
  patient.resume = true;
  EXPECT_EQ(run(patient, values).step, 9);
  patient.patience = 3;
  EXPECT_EQ(run(patient, scripted({{40, 50}})).best_step, 12);
}

TEST_F(RetentionTest, TheNewestCheckpointsAreKeptBesideTheBest) {
  TrainOptions keeping = options("run");
  keeping.keep_checkpoints = 2;
  keeping.save_every = 1;
  run(keeping, scripted({{10, 0}, {20, 0}, {15, 0}, {15, 0}, {15, 0}}));
  fs::create_directory(folder / "run/checkpoints/step-00000001.tmp");
  std::set<std::string> kept;
  const auto list = [&] {
    kept.clear();
    for (const auto& entry : fs::directory_iterator(folder / "run/checkpoints")) {
      kept.insert(entry.path().filename().string());
    }
    return kept;
  };
  EXPECT_EQ(list(), (std::set<std::string>{"step-00000001.tmp", "step-00000003", "step-00000011",
                                           "step-00000012"}));
  // What a crash left goes with the next checkpoint.
  TextModel again = TextModel::load(folder / "run/last");
  TrainState state;
  state.step = 13;
  state.best_step = 3;
  CheckpointStore(folder / "run").save(again, nullptr, {}, state, false, "", 1);
  EXPECT_EQ(list(), (std::set<std::string>{"step-00000003", "step-00000013"}));
}

TEST_F(RetentionTest, LoraTrainsABaseThatStaysAndGoesOnBitForBit) {
  TrainOptions adapting = options("straight");
  adapting.lora_rank = 2;
  run(adapting, distance_metric);
  TrainOptions killed = options("killed");
  killed.lora_rank = 2;
  int64_t count = 0;
  EXPECT_THROW(run(killed,
                   [&](const TextModel& current) {
                     if (count++ == 2) throw Killed();
                     return distance_metric(current);
                   }),
               Killed);
  killed.resume = true;
  run(killed, distance_metric);
  EXPECT_EQ(weights(folder / "straight/last"), weights(folder / "killed/last"));

  const TextModel tuned = TextModel::load(folder / "straight/last");
  for (size_t i = 0; i < tuned.tower().parameters().size(); ++i) {
    const auto& [name, value] = tuned.tower().parameters()[i];
    const bool adapted = name.find(".layers.") != std::string::npos && value.dim() == 2;
    const at::Tensor& base = model.tower().parameters()[i].second;
    EXPECT_EQ(at::equal(value, base), !adapted && name != "logit_scale") << name;
    if (!adapted) continue;
    // A change of rank 2.
    const at::Tensor change = (value - base).to(at::kDouble);
    const at::Tensor singular = std::get<1>(at::linalg_svd(change));
    EXPECT_LT(singular[2].item<double>(), 1e-3 * singular[0].item<double>()) << name;
  }
  adapting.resume = true;
  adapting.lora_rank = 3;
  EXPECT_NE(test::error_of([&] { run(adapting); }).find("lora-rank was 2 and is 3"),
            std::string::npos);
}

TEST_F(RetentionTest, LayerDecaySlowsTheLowerLayers) {
  const auto movement = [&](double decay) {
    TextModel fresh = TextModel::load(test::golden_clip() / "model");
    TripleObjective fresh_objective(fresh, set, images, {});
    TrainOptions decaying = options("unused");
    decaying.layer_decay = decay;
    decaying.adamw.weight_decay = 0;
    Trainer trainer(fresh_objective, decaying, {}, {});
    trainer.step(trainer.samples_of(0), 1e-3);
    std::map<std::string, double> moved;
    for (size_t i = 0; i < fresh.tower().parameters().size(); ++i) {
      const auto& [name, value] = fresh.tower().parameters()[i];
      const at::Tensor change = value.detach() - model.tower().parameters()[i].second.detach();
      moved[name] = change.abs().max().item<double>();
    }
    return moved;
  };
  const auto plain = movement(1), decayed = movement(0.5);
  const auto layers = static_cast<double>(model.config().text.layers);
  const auto ratio = [&](const std::string& name) { return decayed.at(name) / plain.at(name); };
  EXPECT_NEAR(ratio("text_projection.weight"), 1, 1e-3);
  EXPECT_NEAR(ratio("text_model.encoder.layers.0.mlp.fc1.weight"), std::pow(0.5, layers), 1e-3);
  EXPECT_NEAR(ratio("text_model.embeddings.token_embedding.weight"), std::pow(0.5, layers + 1),
              1e-3);
}

TEST_F(RetentionTest, ARunInterruptedInAnEvaluationMakesUpForIt) {
  run(options("straight"), distance_metric);
  for (const int64_t at : {0, 2}) {
    TrainOptions interrupted = options("interrupted");
    fs::remove_all(interrupted.output);
    int64_t count = 0;
    EXPECT_THROW(run(interrupted,
                     [&](const TextModel& current) {
                       if (count++ == at) fail(ErrorKind::kInterrupted, "interrupted");
                       return distance_metric(current);
                     }),
                 Error);
    // The work up to the evaluation is kept.
    EXPECT_EQ(CheckpointStore(interrupted.output).last()->filename(),
              fmt::format("step-{:08}", 3 * at));
    interrupted.resume = true;
    run(interrupted, distance_metric);
    EXPECT_EQ(weights(folder / "straight/last"), weights(folder / "interrupted/last"));
    EXPECT_EQ(evaluations(folder / "straight"), evaluations(folder / "interrupted"));
  }
}

}  // namespace
}  // namespace paraclip
