// A step in chunks against the plain one.

#include "paraclip/train/triple_objective.h"

#include "paraclip/base/error.h"
#include "paraclip/base/memory.h"
#include "paraclip/base/random.h"
#include "paraclip/io/jsonl.h"
#include "tests/train/golden_data.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <fstream>
#include <numeric>

namespace paraclip {
namespace {

constexpr int64_t kTriples = 1200;

// Triples of random words out of the golden ones, many enough for a dozen chunks.
class TripleObjectiveTest : public testing::Test {
 protected:
  TripleObjectiveTest() {
    at::set_num_threads(1);
    std::vector<std::string> words, ids;
    JsonlReader reader(test::golden_clip() / "triples.jsonl");
    for (Json record; reader.next(record);) {
      ids.push_back(record["image_id"]);
      std::istringstream text(record["caption"].get<std::string>());
      for (std::string word; text >> word;) words.push_back(word);
    }
    std::ofstream file(folder / "triples.jsonl");
    uint64_t state = 1;
    const auto draw = [&](size_t count) { return (state = mix64(state)) % count; };
    for (int64_t i = 0; i < kTriples; ++i) {
      Json record = Json::object();
      record["image_id"] = ids[draw(ids.size())];
      for (const char* key : {"caption", "paraphrase_1", "paraphrase_2"}) {
        std::string text;
        for (size_t n = 5 + draw(8); n > 0; --n) text.append(words[draw(words.size())]).append(" ");
        record[key] = text;
      }
      file << record.dump() << "\n";
    }
  }

  struct Step {
    StepLoss loss;
    std::vector<at::Tensor> gradients;
  };

  Step step(int64_t memory, const LossOptions& options = {}, double moved = 0) {
    TextModel model = TextModel::load(test::golden_clip() / "model");
    model.tower().set_trainable(true);
    const TrainingSet set = TrainingSet::load(folder / "triples.jsonl", images, model, 0);
    TripleObjective objective(model, set, images, options, memory);
    {
      const at::NoGradGuard no_grad;
      for (const auto& [name, tensor] : model.tower().parameters()) {
        if (moved != 0 && tensor.dim() == 2) at::Tensor(tensor).mul_(1 + moved);
      }
    }
    std::vector<int64_t> samples(kTriples);
    std::iota(samples.begin(), samples.end(), int64_t{0});
    const auto batch = objective.prepare(samples, 0);
    Step result{objective.accumulate_gradients(*batch), {}};
    for (const auto& [name, tensor] : model.tower().parameters()) {
      result.gradients.push_back(tensor.grad());
    }
    return result;
  }

  test::TemporaryFolder folder;
  ImageEmbeddings images = ImageEmbeddings::load(test::golden_clip() / "embeddings");
};

TEST_F(TripleObjectiveTest, IsTheSameBytesInAnyMemory) {
  const Step plain = step(TripleObjective::kUnbounded);
  ASSERT_TRUE(std::isfinite(plain.loss.total));
  // More than nothing, and less than all chunks take: from the least that is not refused.
  int64_t memory = resident_bytes();
  std::optional<Step> least;
  while (!least) {
    try {
      least = step(memory);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_NE(std::string(error.what()).find("--memory"), std::string::npos) << error.what();
      memory += 4'000'000;
    }
  }
  for (const Step& bounded : {*least, step(memory + 20'000'000)}) {
    EXPECT_EQ(bounded.loss.total, plain.loss.total);
    for (size_t i = 0; i < plain.gradients.size(); ++i) {
      EXPECT_TRUE(at::equal(bounded.gradients[i], plain.gradients[i])) << i;
    }
  }
}

TEST_F(TripleObjectiveTest, EqualsThePlainStepUnderAutograd) {
  const Step chunked = step(TripleObjective::kUnbounded);
  TextModel model = TextModel::load(test::golden_clip() / "model");
  model.tower().set_trainable(true);
  const TrainingSet set = TrainingSet::load(folder / "triples.jsonl", images, model, 0);
  std::vector<std::vector<int64_t>> texts;
  std::vector<int64_t> rows;
  for (const auto part :
       {TrainingSet::kCaption, TrainingSet::kParaphrase1, TrainingSet::kParaphrase2}) {
    for (int64_t i = 0; i < kTriples; ++i) texts.push_back(set.tokens(i, part));
  }
  for (int64_t i = 0; i < kTriples; ++i) rows.push_back(set.image_row(i));
  const auto parts =
      normalize_rows(model.tower().forward(pack(texts, model.config().text))).chunk(3);
  const auto loss = [&](const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor logits = at::matmul(a, b.t()) * model.tower().logit_scale().exp();
    return -(logits.log_softmax(0).diagonal().mean() + logits.log_softmax(1).diagonal().mean()) / 2;
  };
  const at::Tensor total =
      loss(images.rows(rows), parts[2]) + loss(parts[0], parts[1]) + loss(parts[1], parts[2]);
  total.backward();
  EXPECT_NEAR(chunked.loss.total, total.item<double>(), 1e-5);
  for (size_t i = 0; i < chunked.gradients.size(); ++i) {
    const at::Tensor expected = model.tower().parameters()[i].second.grad();
    EXPECT_LT(((chunked.gradients[i] - expected).norm() / expected.norm()).item<double>(), 2e-5)
        << model.tower().parameters()[i].first;
  }
}

TEST_F(TripleObjectiveTest, TheAnchorHoldsOnToTheBase) {
  LossOptions options;
  options.anchor_weight = 10;
  const auto anchor = [](const Step& step) { return step.loss.parts.back(); };
  const Step unmoved = step(TripleObjective::kUnbounded, options);
  EXPECT_EQ(anchor(unmoved).first, "loss_anchor");
  EXPECT_NEAR(anchor(unmoved).second, 0, 1e-6);
  // Its gradient is its slope along the way that the weights moved.
  constexpr double kMoved = 0.3, kStep = 0.01;
  const Step with = step(TripleObjective::kUnbounded, options, kMoved);
  const Step without = step(TripleObjective::kUnbounded, {}, kMoved);
  EXPECT_GT(anchor(with).second, 1e-3);
  EXPECT_NEAR(with.loss.total, without.loss.total + 10 * anchor(with).second, 1e-5);
  const TextModel model = TextModel::load(test::golden_clip() / "model");
  double slope = 0;
  for (size_t i = 0; i < with.gradients.size(); ++i) {
    const at::Tensor& weight = model.tower().parameters()[i].second;
    if (weight.dim() != 2) continue;
    slope += ((with.gradients[i] - without.gradients[i]) * weight).sum().item<double>();
  }
  const double above = anchor(step(TripleObjective::kUnbounded, options, kMoved + kStep)).second;
  const double below = anchor(step(TripleObjective::kUnbounded, options, kMoved - kStep)).second;
  EXPECT_NEAR(slope, 10 * (above - below) / (2 * kStep), 0.02 * std::abs(slope));
}

}  // namespace
}  // namespace paraclip
