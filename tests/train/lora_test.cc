#include "paraclip/train/lora.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/text_model.h"
#include "tests/train/golden_data.h"

#include <ATen/ATen.h>

#include <map>

namespace paraclip {
namespace {

std::map<std::string, at::Tensor> by_name(const std::vector<NamedTensor>& tensors) {
  return {tensors.begin(), tensors.end()};
}

TEST(Lora, BeginsAtTheBaseAndFreezesTheRest) {
  TextModel model = TextModel::load(test::golden_clip() / "model");
  const std::string base = model.fingerprint();
  Lora lora(model.tower(), /*rank=*/2, /*alpha=*/8, /*seed=*/1);
  lora.merge();
  EXPECT_EQ(model.fingerprint(), base);
  // Four weights a block; nothing else is trained.
  const auto blocks = static_cast<size_t>(model.config().text.layers);
  EXPECT_EQ(lora.parameters().size(), 2 * 4 * blocks);
  size_t trained = 0;
  for (const auto& [name, parameter] : model.tower().parameters()) {
    const bool weight = name.find(".layers.") != std::string::npos && parameter.dim() == 2;
    EXPECT_EQ(parameter.requires_grad(), weight || name == "logit_scale") << name;
    trained += weight ? 1 : 0;
  }
  EXPECT_EQ(trained, 4 * blocks);
  EXPECT_NE(test::error_of([&] { Lora(model.tower(), 1000, 8, 1); }).find("--lora-rank 1000"),
            std::string::npos);
}

// Against autograd through W0 + alpha / rank * B A, for given gradients of the dense weights.
TEST(Lora, GradientsOfAAndBAreThoseOfAutograd) {
  TextModel model = TextModel::load(test::golden_clip() / "model");
  const TextModel base = TextModel::load(test::golden_clip() / "model");
  Lora lora(model.tower(), /*rank=*/3, /*alpha=*/6, /*seed=*/1);
  for (const auto& [name, factor] : lora.parameters()) {
    if (name.ends_with("lora_b")) at::Tensor(factor.detach()).normal_(0, 0.05);
  }
  lora.merge();
  GradientBuffer gradients(lora.parameters());
  const auto factors = by_name(lora.parameters());
  const auto weights = by_name(model.tower().parameters());
  lora.zero_gradients();
  for (const auto& [name, weight] : by_name(base.tower().parameters())) {
    if (!factors.contains(name + ".lora_a")) continue;
    at::Tensor(weights.at(name).grad()).normal_();
  }
  lora.pull_gradients();
  for (const auto& [name, weight] : by_name(base.tower().parameters())) {
    if (!factors.contains(name + ".lora_a")) continue;
    const at::Tensor& a = factors.at(name + ".lora_a");
    const at::Tensor& b = factors.at(name + ".lora_b");
    const at::Tensor a_copy = a.detach().clone().set_requires_grad(true);
    const at::Tensor b_copy = b.detach().clone().set_requires_grad(true);
    const at::Tensor dense = weight.detach() + 2 * at::matmul(b_copy, a_copy);
    EXPECT_TRUE(at::allclose(dense.detach(), weights.at(name).detach(), 1e-5, 1e-6)) << name;
    (dense * weights.at(name).grad()).sum().backward();
    EXPECT_TRUE(at::allclose(a.grad(), a_copy.grad(), 1e-4, 1e-5)) << name;
    EXPECT_TRUE(at::allclose(b.grad(), b_copy.grad(), 1e-4, 1e-5)) << name;
  }
}

TEST(Lora, TheTowerSeesTheMergedWeights) {
  TextModel model = TextModel::load(test::golden_clip() / "model");
  const at::Tensor before = model.encode({"a dog"});
  Lora lora(model.tower(), /*rank=*/2, /*alpha=*/8, /*seed=*/1);
  for (const auto& [name, factor] : lora.parameters()) {
    if (name.ends_with("lora_b")) at::Tensor(factor.detach()).normal_(0, 0.1);
  }
  const auto version = model.tower().parameters()[4].second._version();
  lora.merge();
  EXPECT_FALSE(at::equal(model.encode({"a dog"}), before));
  const bool adapted =
      by_name(lora.parameters()).contains(model.tower().parameters()[4].first + ".lora_a");
  EXPECT_EQ(model.tower().parameters()[4].second._version() > version, adapted);
}

}  // namespace
}  // namespace paraclip
