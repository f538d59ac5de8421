// Compares with what transformers and open_clip computed on tiny models (scripts/make_golden.py).
// `make parity` runs the same comparison on files made live, in the folder that PARACLIP_GOLDEN
// names, and shows the printed lines.
//
// Tolerances. All is float32, whose rounding is 6e-8 relative; sums of up to 714 x 32 products in
// another order (packed rows instead of 24 padded positions, fused q, k, v) differ by some tens of
// roundings. Embeddings are of size 1 to 10 and are compared absolutely. A gradient is compared
// relative to the largest element of its tensor, since small elements are differences of large
// ones; that of a key's bias is 0 in exact arithmetic (softmax does not see it) and pure rounding
// in all programs: it is compared relative to that of the query's. AdamW divides by the gradient's
// own size, which lifts rounding in elements that are nearly 0 to a share of a step (1e-3).

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/io/safetensors.h"
#include "paraclip/train/losses.h"
#include "paraclip/train/schedule.h"
#include "paraclip/train/trainer.h"
#include "paraclip/train/training_set.h"
#include "paraclip/train/triple_objective.h"
#include "tests/golden/report.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace paraclip {
namespace {

constexpr double kEmbeddingTolerance = 1e-5;
constexpr double kLossTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-5;
constexpr double kTrainingLossTolerance = 5e-5;

using test::report;

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

class ClipGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  std::filesystem::path folder = test::golden_root("clip") / GetParam();
  Json golden = read_json(folder / "golden.json");
  SafetensorsFile tensors = SafetensorsFile::open(folder / "golden.safetensors");
  TextModel model = TextModel::load(folder / "model");
  ImageEmbeddings images = ImageEmbeddings::load(folder / "embeddings");
  TrainingSet set = TrainingSet::load(folder / "triples.jsonl", images, model, /*max_missing=*/0);

  // All texts of one part after those of another, as in the golden tensors.
  std::vector<std::vector<int64_t>> all_tokens() const {
    std::vector<std::vector<int64_t>> texts;
    for (const auto part :
         {TrainingSet::kCaption, TrainingSet::kParaphrase1, TrainingSet::kParaphrase2}) {
      for (int64_t i = 0; i < set.size(); ++i) texts.push_back(set.tokens(i, part));
    }
    return texts;
  }

  // The largest difference to the peer's gradient `name`, relative to the largest element of
  // `measure`, which is that gradient but for a key's bias.
  double relative_difference(const at::Tensor& gradient, const std::string& name) const {
    std::string measure = name;
    if (const size_t key = name.find("k_proj.bias"); key != std::string::npos) measure[key] = 'q';
    const double size = tensors.tensor(measure).abs().max().item<double>();
    return largest_difference(gradient, tensors.tensor(name)) / size;
  }

  // Of all triples as one batch; adds the gradients to the parameters.
  double full_loss() {
    TripleObjective objective(model, set, images, LossOptions{});
    std::vector<int64_t> samples(static_cast<size_t>(set.size()));
    std::iota(samples.begin(), samples.end(), int64_t{0});
    return objective.accumulate_gradients(*objective.prepare(samples, /*draw=*/0)).total;
  }
};

TEST_P(ClipGolden, TokenIdsAreEqual) {
  const at::Tensor expected = tensors.tensor("token_ids").reshape({3 * set.size(), -1});
  const auto texts = all_tokens();
  int64_t differing = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const at::Tensor ids = at::tensor(at::ArrayRef<int64_t>(texts[i]), at::kLong);
    const at::Tensor row = expected[static_cast<int64_t>(i)];
    differing += at::equal(ids, row.slice(0, 0, ids.numel())) ? 0 : 1;
    // What follows is padding: the end token again, in HF's default.
    EXPECT_TRUE((row.slice(0, ids.numel()) == model.tokenizer().end_token()).all().item<bool>());
  }
  report(GetParam(), "token id lists that differ", static_cast<double>(differing), 0);
}

TEST_P(ClipGolden, EmbeddingsMatch) {
  const at::NoGradGuard no_grad;
  const auto texts = all_tokens();
  const at::Tensor ours = model.tower().forward(pack(texts, model.config().text));
  for (const char* peer : {"transformers", "open_clip"}) {
    report(GetParam(), fmt::format("embeddings, {}", peer),
           largest_difference(ours, tensors.tensor(fmt::format("embeddings.{}", peer))),
           kEmbeddingTolerance);
  }
}

TEST_P(ClipGolden, LossAndEveryGradientMatchTransformers) {
  model.tower().set_trainable(true);
  const double loss = full_loss();
  for (const char* peer : {"transformers", "open_clip"}) {
    const double expected = golden["loss"][peer].get<double>();
    report(GetParam(), fmt::format("loss, {}", peer), std::abs(loss - expected), kLossTolerance);
  }
  std::vector<NamedTensor> gradients;
  for (const auto& [name, parameter] : model.tower().parameters()) {
    ASSERT_TRUE(parameter.grad().defined()) << name;
    gradients.emplace_back(name, parameter.grad());
  }
  double worst = 0;
  size_t compared = 0;
  for (const auto& [name, gradient] :
       to_file_tensors(text_tensor_names(model.config().text), gradients, ModelFamily::kHf)) {
    const double difference = relative_difference(gradient, "grad.transformers." + name);
    EXPECT_LE(difference, kGradientTolerance) << name;
    ++compared;
    worst = std::max(worst, difference);
  }
  report(GetParam(), fmt::format("{} gradients, transformers", compared), worst,
         kGradientTolerance);
}

// open_clip's names and orientation, written out by hand here: an own check of the mapping.
TEST_P(ClipGolden, EveryGradientMatchesOpenClip) {
  model.tower().set_trainable(true);
  full_loss();
  std::map<std::string, at::Tensor> ours;
  for (const auto& [name, parameter] : model.tower().parameters()) ours[name] = parameter.grad();
  std::vector<std::pair<std::string, at::Tensor>> expected = {
      {"text_projection", ours["text_projection.weight"].t()},
      {"logit_scale", ours["logit_scale"]},
      {"token_embedding.weight", ours["text_model.embeddings.token_embedding.weight"]},
      {"positional_embedding", ours["text_model.embeddings.position_embedding.weight"]},
      {"ln_final.weight", ours["text_model.final_layer_norm.weight"]},
      {"ln_final.bias", ours["text_model.final_layer_norm.bias"]},
  };
  const std::pair<const char*, const char*> modules[] = {{"attn.out_proj", "self_attn.out_proj"},
                                                         {"ln_1", "layer_norm1"},
                                                         {"ln_2", "layer_norm2"},
                                                         {"mlp.c_fc", "mlp.fc1"},
                                                         {"mlp.c_proj", "mlp.fc2"}};
  for (int64_t layer = 0; layer < model.config().text.layers; ++layer) {
    const std::string theirs = fmt::format("transformer.resblocks.{}.", layer);
    const std::string mine = fmt::format("text_model.encoder.layers.{}.", layer);
    for (const std::string kind : {"weight", "bias"}) {
      expected.emplace_back(theirs + "attn.in_proj_" + kind,
                            ours[mine + "self_attn.qkv_proj." + kind]);
      for (const auto& [their_name, my_name] : modules) {
        expected.emplace_back(theirs + their_name + "." + kind, ours[mine + my_name + "." + kind]);
      }
    }
  }
  const auto all =
      std::count_if(tensors.names().begin(), tensors.names().end(),
                    [](const std::string& name) { return name.starts_with("grad.open_clip."); });
  EXPECT_EQ(static_cast<size_t>(all), expected.size());
  double worst = 0;
  for (const auto& [name, gradient] : expected) {
    worst = std::max(worst, relative_difference(gradient, "grad.open_clip." + name));
  }
  report(GetParam(), fmt::format("{} gradients, open_clip", expected.size()), worst,
         kGradientTolerance);
}

TEST_P(ClipGolden, TenTrainingStepsMatch) {
  const test::TemporaryFolder output;
  TrainOptions options;
  options.output = output.path();
  options.batch_size = 8;
  options.learning_rate = golden["base_lr"].get<double>();
  options.warmup = golden["warmup"].get<int64_t>();
  TripleObjective objective(model, set, images, {});
  Trainer trainer(objective, options, {}, {});
  double loss_difference = 0;
  double norm_difference = 0;
  for (size_t step = 0; step < golden["batches"].size(); ++step) {
    const Json& expected = golden["steps"][step];
    const double rate = cosine_learning_rate(static_cast<int64_t>(step), options.learning_rate,
                                             options.warmup, /*total=*/10);
    EXPECT_NEAR(rate, expected["lr"].get<double>(), 1e-12);
    const StepReport done = trainer.step(golden["batches"][step].get<std::vector<int64_t>>(), rate);
    loss_difference =
        std::max(loss_difference, std::abs(done.loss - expected["loss"].get<double>()));
    norm_difference = std::max(norm_difference,
                               std::abs(done.grad_norm / expected["grad_norm"].get<double>() - 1));
  }
  report(GetParam(), "losses of ten training steps", loss_difference, kTrainingLossTolerance);
  report(GetParam(), "gradient norms of ten steps, relative", norm_difference, 1e-5);
  double worst = 0;
  for (const auto& [name, value] : to_file_tensors(text_tensor_names(model.config().text),
                                                   model.tower().parameters(), ModelFamily::kHf)) {
    worst = std::max(worst, largest_difference(value, tensors.tensor("trained." + name)));
  }
  report(GetParam(), "weights after ten steps", worst, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Tiny, ClipGolden, testing::Values("full", "text_only"),
                         [](const auto& kind) { return std::string(kind.param); });

}  // namespace
}  // namespace paraclip
