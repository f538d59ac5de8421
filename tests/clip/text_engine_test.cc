// The engine against the tower written with libtorch's operators, one text at a time.

#include "paraclip/clip/tensor_names.h"
#include "paraclip/clip/text_tower.h"
#include "paraclip/nn/kernels/kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

namespace paraclip {
namespace {

using Texts = std::vector<std::vector<int64_t>>;

TextConfig small_config(Activation activation) {
  TextConfig config;
  config.vocabulary_size = 50;
  config.context_length = 77;
  config.positions = 77;
  config.width = 40;  // Neither a power of two nor whole vectors a head.
  config.mlp_width = 72;
  config.layers = 3;
  config.heads = 4;
  config.projection_dim = 24;
  config.activation = activation;
  config.pooling = Pooling::kHighestId;
  return config;
}

std::vector<NamedTensor> random_parameters(const TextConfig& config) {
  std::vector<NamedTensor> result;
  for (const TensorName& name : text_tensor_names(config)) {
    at::Tensor value = at::randn(name.shape) * 0.2;
    if (name.name.find("norm") != std::string::npos && name.name.ends_with("weight")) value += 1.0;
    result.emplace_back(name.name, value);
  }
  return result;
}

// Random texts that end with the highest id; some begin alike, some are equal.
Texts random_texts(size_t count, int64_t longest) {
  Texts texts;
  for (size_t i = 0; i < count; ++i) {
    std::vector<int64_t> text = {48};
    const int64_t length = at::randint(longest - 1, {1}).item<int64_t>();
    const at::Tensor ids = at::randint(4, {length});  // Few words, so that prefixes are shared.
    for (int64_t j = 0; j < length; ++j) text.push_back(ids[j].item<int64_t>());
    text.push_back(49);
    texts.push_back(text);
  }
  texts.push_back(texts.front());
  std::vector<int64_t> whole(77, 7);
  whole.front() = 48;
  whole.back() = 49;
  texts.push_back(whole);
  return texts;
}

// Embeddings of the texts, by the definition; differentiable.
at::Tensor reference(const TextConfig& config, const std::vector<NamedTensor>& parameters,
                     const Texts& texts) {
  std::vector<at::Tensor> rows;
  for (const auto& ids : texts) {
    size_t next = 0;
    const auto take = [&]() -> const at::Tensor& { return parameters[next++].second; };
    const auto norm = [&](const at::Tensor& x) {
      const at::Tensor& weight = take();
      return at::layer_norm(x, {config.width}, weight, take(), config.layer_norm_eps);
    };
    const auto linear = [&](const at::Tensor& x) {
      const at::Tensor& weight = take();
      return at::linear(x, weight, take());
    };
    const auto length = static_cast<int64_t>(ids.size());
    at::Tensor x = take().index_select(0, at::tensor(at::ArrayRef<int64_t>(ids), at::kLong));
    x = x + take().slice(0, 0, length);
    const at::Tensor later = at::ones({length, length}, at::kBool).triu(1);
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      const at::Tensor qkv = linear(norm(x))
                                 .view({length, 3, config.heads, config.width / config.heads})
                                 .permute({1, 2, 0, 3});
      at::Tensor scores = at::matmul(qkv[0], qkv[1].transpose(1, 2)) /
                          std::sqrt(static_cast<double>(config.width / config.heads));
      scores = scores.masked_fill(later, -INFINITY).softmax(-1);
      x = x + linear(at::matmul(scores, qkv[2]).transpose(0, 1).reshape({length, config.width}));
      const at::Tensor hidden = linear(norm(x));
      x = x + linear(config.activation == Activation::kGelu ? at::gelu(hidden)
                                                            : hidden * at::sigmoid(1.702 * hidden));
    }
    const at::Tensor last = norm(x.slice(0, length - 1, length));
    rows.push_back(at::linear(last, take()));
  }
  return at::cat(rows);
}

std::vector<at::Tensor> take_gradients(const std::vector<NamedTensor>& parameters) {
  std::vector<at::Tensor> result;
  for (const auto& [name, tensor] : parameters) {
    result.push_back(tensor.grad().defined() ? tensor.grad().clone() : at::Tensor());
    at::Tensor(tensor).mutable_grad().reset();
  }
  return result;
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / (b.norm() + 1e-12)).item<double>();
}

class TextEngineTest : public testing::TestWithParam<Activation> {
 protected:
  TextEngineTest() : config_(small_config(GetParam())), parameters_(random_parameters(config_)) {}

  TextTower tower() const {
    TextTower result(config_, parameters_);
    result.set_trainable(true);
    return result;
  }

  TextConfig config_;
  std::vector<NamedTensor> parameters_;
};

TEST_P(TextEngineTest, GivesTheDefinitionsEmbeddingsAndGradients) {
  const kernels::KernelList list = kernels::available();
  for (int i = 0; i < list.count; ++i) {
    kernels::use(*list.items[i]);
    SCOPED_TRACE(list.items[i]->name);
    // A few rows, and enough for blocks of rows and two groups of texts that share prefixes.
    for (const size_t count : {2, 150}) {
      const TextTower tower = this->tower();
      const Texts texts = random_texts(count, 12);
      const at::Tensor found = tower.forward(pack(texts, config_));
      const at::Tensor weights = at::randn_like(found);
      (found * weights).sum().backward();
      const std::vector<at::Tensor> gradients = take_gradients(tower.parameters());
      const at::Tensor expected = reference(config_, tower.parameters(), texts);
      EXPECT_LT((found - expected).abs().max().item<double>(), 1e-5);
      (expected * weights).sum().backward();
      const std::vector<at::Tensor> exact = take_gradients(tower.parameters());
      for (size_t p = 0; p + 1 < gradients.size(); ++p) {
        EXPECT_LT(relative_difference(gradients[p], exact[p]), 1e-5) << parameters_[p].first;
      }
      EXPECT_FALSE(gradients.back().defined()) << "logit_scale is not the engine's";
    }
  }
}

TEST_P(TextEngineTest, GivesTheSameBytesOnAnyNumberOfThreads) {
  const Texts texts = random_texts(100, 12);
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    std::vector<at::Tensor> first;
    for (const int threads : {1, 2, 3}) {
      at::set_num_threads(threads);
      TextTower tower = this->tower();
      tower.set_precision(precision);
      const at::Tensor found = tower.forward(pack(texts, config_));
      found.backward(at::ones_like(found));
      std::vector<at::Tensor> all = take_gradients(tower.parameters());
      all.back() = found.detach();
      if (first.empty()) first = all;
      for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(at::equal(all[i], first[i])) << i;
    }
  }
  at::set_num_threads(1);
}

TEST_P(TextEngineTest, InBfloat16IsNear) {
  const Texts texts = random_texts(100, 12);
  std::vector<std::vector<at::Tensor>> gradients;
  std::vector<at::Tensor> embeddings;
  const at::Tensor weights =
      at::randn({static_cast<int64_t>(texts.size()), config_.projection_dim});
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    TextTower tower = this->tower();
    tower.set_precision(precision);
    embeddings.push_back(tower.forward(pack(texts, config_)));
    (embeddings.back() * weights).sum().backward();
    gradients.push_back(take_gradients(tower.parameters()));
  }
  EXPECT_GT(at::cosine_similarity(embeddings[0], embeddings[1]).min().item<double>(), 0.9995);
  EXPECT_GT(relative_difference(embeddings[1], embeddings[0]), 1e-4) << "nothing was rounded";
  for (size_t p = 0; p + 1 < gradients[0].size(); ++p) {
    EXPECT_LT(relative_difference(gradients[1][p], gradients[0][p]), 0.03) << parameters_[p].first;
  }
}

TEST_P(TextEngineTest, SeesThatWeightsHaveChanged) {
  const Texts texts = random_texts(20, 12);
  TextTower tower = this->tower();
  const PackedText packed = pack(texts, config_);
  tower.forward(packed);
  {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : tower.parameters()) at::Tensor(tensor).mul_(1.1);
  }
  const at::Tensor expected = reference(config_, tower.parameters(), texts);
  EXPECT_LT((tower.forward(packed) - expected).abs().max().item<double>(), 1e-5);
}

TEST_P(TextEngineTest, AddsToGradientsAndLeavesFrozenParametersAlone) {
  const Texts texts = random_texts(20, 12);
  TextTower tower = this->tower();
  const PackedText packed = pack(texts, config_);
  const auto pass = [&] {
    const at::Tensor found = tower.forward(packed);
    found.backward(at::ones_like(found));
  };
  pass();
  pass();
  const std::vector<at::Tensor> twice = take_gradients(tower.parameters());
  for (size_t i = 0; i < tower.parameters().size(); i += 2) {
    at::Tensor(tower.parameters()[i].second).set_requires_grad(false);
  }
  pass();
  const std::vector<at::Tensor> half = take_gradients(tower.parameters());
  for (size_t i = 0; i + 1 < half.size(); ++i) {
    EXPECT_EQ(half[i].defined(), i % 2 == 1) << i;
    if (!half[i].defined()) continue;
    EXPECT_LT(relative_difference(twice[i], 2 * half[i]), 1e-6) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, TextEngineTest,
                         testing::Values(Activation::kQuickGelu, Activation::kGelu),
                         [](const auto& param_info) {
                           return param_info.param == Activation::kGelu ? "Gelu" : "QuickGelu";
                         });

}  // namespace
}  // namespace paraclip
