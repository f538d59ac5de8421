// Compares with what open_clip computed on tiny models with RoBERTa as their text tower
// (scripts/make_roberta_golden.py): token ids, embeddings of texts that it pads to 77 tokens, and
// every gradient of a loss.
//
// Tolerances. Ours is float32, whose rounding is 6e-8 relative; theirs is double precision,
// rounded. Embeddings are compared relative to the largest one. Gradients are compared relative to
// the largest element of their tensor, matrices by their products with a random vector from either
// side, as they are stored; that of a key's bias, which is 0 in exact arithmetic, relative to that
// of the query's. Sums over all tokens nearly cancel in some of them: open_clip's own float32
// gradients are up to 4.2e-6 from those of double precision.

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/tensor_names.h"
#include "paraclip/clip/text_tower.h"
#include "paraclip/clip/tokenizer.h"
#include "paraclip/io/safetensors.h"
#include "tests/golden/report.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace paraclip {
namespace {

constexpr double kTolerance = 2e-6;
constexpr double kGradientTolerance = 5e-6;

using test::report;

// As in scripts/make_roberta_golden.py.
const std::vector<std::string> kTexts = {
    "A dog runs on the beach.",
    "Two dogs\u2019 owners talk; it&#39;s raining &amp; cold",
    "",
    "caf\u00e9 tables outside,  Paris \u4e2d\u6587 \U0001F436",
    "THE OLD LIGHTHOUSE, we're there in 1998",
    "a <mask> in a <pad> of<pad> <unk> grass <s> and </s> trees",
    "The woman, who'd read 12 newspapers on the train, couldn't remember where she'd left her "
    "umbrella, her hat, the three cats and the dog that she had brought along, so the conductor "
    "helped her look for all of them under every seat.",
    "x",
};

struct Kind {
  const char* name;
  int64_t layers;
  int64_t projection_hidden;
};

TextConfig make_config(const Kind& kind) {
  TextConfig config;
  config.architecture = TextArchitecture::kRoberta;
  config.vocabulary_size = 400;
  config.positions = 80;
  config.width = 128;
  config.mlp_width = 96;
  config.layers = kind.layers;
  config.heads = 2;
  config.projection_dim = 48;
  config.projection_hidden = kind.projection_hidden;
  config.activation = Activation::kGelu;
  config.pooling = Pooling::kMean;
  config.end_token = 2;
  config.nested = true;
  return config;
}

// Relative to the largest element of `measure`.
double relative_difference(const at::Tensor& ours, const at::Tensor& theirs,
                           const at::Tensor& measure) {
  EXPECT_EQ(ours.sizes(), theirs.sizes());
  return ((ours - theirs).abs().max() / measure.abs().max()).item<double>();
}

class RobertaGolden : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  static std::vector<NamedTensor> read_tensors(const std::filesystem::path& folder,
                                               const TextConfig& config) {
    const SafetensorsFile file = SafetensorsFile::open(folder / "open_clip_model.safetensors");
    std::vector<NamedTensor> tensors;
    for (const TensorName& entry : text_tensor_names(config)) {
      std::vector<at::Tensor> parts;
      for (const std::string& name : entry.open_clip) parts.push_back(file.tensor(name));
      at::Tensor whole = parts.size() == 1 ? parts[0] : at::cat(parts);
      tensors.emplace_back(entry.name, whole.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true));
    }
    return tensors;
  }

  std::vector<std::vector<int64_t>> tokens() const {
    const Tokenizer tokenizer = Tokenizer::load(folder, TokenizerFamily::kRoberta);
    std::vector<std::vector<int64_t>> texts;
    for (const std::string& text : kTexts) {
      texts.push_back(tokenizer.encode(text, config.context_length).ids);
    }
    return texts;
  }

  at::Tensor embed(const std::vector<std::vector<int64_t>>& texts) const {
    return tower.forward(pack(texts, config));
  }

  at::Tensor golden(const std::string& name) const { return file.tensor(name); }

  // The largest difference to the gradient called `name` in open_clip's model.
  double gradient_difference(const at::Tensor& gradient, const std::string& name) const {
    std::string measure = name;
    if (const size_t key = name.find("key.bias"); key != name.npos)
      measure.replace(key, 3, "query");
    if (gradient.dim() < 2 || gradient.size(0) == 1)
      return relative_difference(gradient, golden("grad." + name), golden("grad." + measure));
    const at::Tensor left = golden("grad_left." + name), right = golden("grad_right." + name);
    return std::max(relative_difference(golden("left." + name).matmul(gradient), left, left),
                    relative_difference(gradient.matmul(golden("right." + name)), right, right));
  }

  std::filesystem::path folder = test::golden_root("roberta") / GetParam().name;
  SafetensorsFile file = SafetensorsFile::open(folder / "golden.safetensors");
  TextConfig config = make_config(GetParam());
  TextTower tower{config, read_tensors(folder, config)};
};

TEST_P(RobertaGolden, TokenIdsAreEqual) {
  const at::Tensor expected = golden("token_ids");
  const auto texts = tokens();
  int64_t differing = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    at::Tensor padded = at::full({config.context_length}, config.pad_token, at::kLong);
    padded.slice(0, 0, static_cast<int64_t>(texts[i].size()))
        .copy_(at::tensor(at::ArrayRef<int64_t>(texts[i]), at::kLong));
    differing += at::equal(padded, expected[static_cast<int64_t>(i)]) ? 0 : 1;
  }
  report(GetParam().name, "token id lists that differ", static_cast<double>(differing), 0);
}

TEST_P(RobertaGolden, EmbeddingsMatchThoseOfPaddedTexts) {
  const at::NoGradGuard no_grad;
  const at::Tensor expected = golden("embeddings");
  report(GetParam().name, "embeddings, open_clip",
         relative_difference(embed(tokens()), expected, expected), kTolerance);
}

TEST_P(RobertaGolden, AnEmbeddingDoesNotDependOnItsBatch) {
  const at::NoGradGuard no_grad;
  const auto texts = tokens();
  const at::Tensor together = embed(texts);
  double worst = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const at::Tensor alone = embed({texts[i]})[0];
    worst =
        std::max(worst, relative_difference(alone, together[static_cast<int64_t>(i)], together));
  }
  report(GetParam().name, "embeddings, alone and in a batch", worst, kTolerance);
}

TEST_P(RobertaGolden, LossAndEveryGradientMatch) {
  tower.set_trainable(true);
  const at::Tensor images = normalize_rows(golden("images"));
  const at::Tensor logits =
      tower.logit_scale().exp() * images.matmul(normalize_rows(embed(tokens())).t());
  const at::Tensor labels = at::arange(logits.size(0));
  const at::Tensor loss =
      (at::cross_entropy_loss(logits, labels) + at::cross_entropy_loss(logits.t(), labels)) / 2;
  loss.backward();
  report(GetParam().name, "loss, open_clip",
         relative_difference(loss, golden("loss"), golden("loss")), kTolerance);

  std::vector<NamedTensor> gradients;
  for (const auto& [name, parameter] : tower.parameters()) {
    ASSERT_TRUE(parameter.grad().defined()) << name;
    gradients.emplace_back(name, parameter.grad());
  }
  double worst = 0;
  const auto named = to_file_tensors(text_tensor_names(config), gradients, ModelFamily::kOpenClip);
  for (const auto& [name, gradient] : named) {
    const double difference = gradient_difference(gradient, name);
    EXPECT_LE(difference, kGradientTolerance) << name;
    worst = std::max(worst, difference);
  }
  const auto theirs =
      std::count_if(file.names().begin(), file.names().end(), [](const std::string& name) {
        return name.starts_with("grad.") || name.starts_with("grad_left.");
      });
  EXPECT_EQ(static_cast<size_t>(theirs), named.size());
  report(GetParam().name, fmt::format("{} gradients, open_clip", named.size()), worst,
         kGradientTolerance);
}

INSTANTIATE_TEST_SUITE_P(Tiny, RobertaGolden,
                         testing::Values(Kind{"mlp", 2, 88}, Kind{"linear", 1, 0}),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace paraclip
