#include "paraclip/clip/vision_tower.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/text_tower.h"
#include "tests/support.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <map>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

VisionConfig config_of(Activation activation, int64_t image_size = 23, int64_t patch_size = 5) {
  VisionConfig config;
  config.image_size = image_size;
  config.patch_size = patch_size;
  config.width = 24;
  config.mlp_width = 96;
  config.layers = 3;
  config.heads = 3;
  config.projection_dim = 10;
  config.activation = activation;
  return config;
}

// Random weights whose biases and norms are not 0 and 1.
std::vector<NamedTensor> random_tensors(const VisionConfig& config) {
  std::vector<NamedTensor> tensors;
  for (const TensorName& entry : vision_tensor_names(config)) {
    tensors.emplace_back(entry.name, at::randn(entry.shape) * 0.3);
    if (entry.name.ends_with("norm.weight") || entry.name.ends_with("norm1.weight")) {
      tensors.back().second += 1;
    }
  }
  return tensors;
}

// The encoder as the paper and its code have it (CLIP/clip/model.py, VisionTransformer): a
// convolution, every token through every block, the class token's output at the end.
at::Tensor reference(const VisionConfig& config, const std::vector<NamedTensor>& parameters,
                     const at::Tensor& pixels) {
  const std::map<std::string, at::Tensor> all(parameters.begin(), parameters.end());
  const auto tensor = [&](const std::string& name) { return all.at("vision_model." + name); };
  const auto norm = [&](const at::Tensor& x, const std::string& name) {
    const at::Tensor centred = x - x.mean(-1, /*keepdim=*/true);
    const at::Tensor variance = (centred * centred).mean(-1, /*keepdim=*/true);
    return centred / (variance + config.layer_norm_eps).sqrt() * tensor(name + ".weight") +
           tensor(name + ".bias");
  };
  const auto layer = [&](const at::Tensor& x, const std::string& name) {
    return at::matmul(x, tensor(name + ".weight").t()) + tensor(name + ".bias");
  };
  const int64_t batch = pixels.size(0), tokens = config.tokens(), width = config.width;
  at::Tensor x = at::conv2d(pixels, tensor("embeddings.patch_embedding.weight"), {},
                            {config.patch_size, config.patch_size})
                     .flatten(2)
                     .transpose(1, 2);
  x = at::cat({tensor("embeddings.class_embedding").expand({batch, 1, width}), x}, 1);
  x = norm(x + tensor("embeddings.position_embedding.weight"), "pre_layrnorm");
  for (int64_t i = 0; i < config.layers; ++i) {
    const std::string block = "encoder.layers." + std::to_string(i) + ".";
    const auto heads = layer(norm(x, block + "layer_norm1"), block + "self_attn.qkv_proj")
                           .reshape({batch, tokens, 3, config.heads, width / config.heads})
                           .permute({2, 0, 3, 1, 4});
    const at::Tensor scores =
        at::matmul(heads[0], heads[1].transpose(2, 3)) /
        std::sqrt(static_cast<double>(width) / static_cast<double>(config.heads));
    const at::Tensor mixed =
        at::matmul(scores.softmax(-1), heads[2]).transpose(1, 2).reshape({batch, tokens, width});
    x = x + layer(mixed, block + "self_attn.out_proj");
    const at::Tensor hidden = layer(norm(x, block + "layer_norm2"), block + "mlp.fc1");
    const at::Tensor active = config.activation == Activation::kQuickGelu
                                  ? hidden * at::sigmoid(1.702 * hidden)
                                  : at::gelu(hidden);
    x = x + layer(active, block + "mlp.fc2");
  }
  return at::matmul(norm(x.select(1, 0), "post_layernorm"), all.at("visual_projection.weight").t());
}

double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

class VisionTowerTest : public testing::TestWithParam<Activation> {
 protected:
  void SetUp() override { at::set_num_threads(1); }
};

TEST_P(VisionTowerTest, EqualsThePlainEncoderWithItsGradients) {
  for (const int64_t image_size : {23, 20, 5}) {
    const VisionConfig config = config_of(GetParam(), image_size);
    const at::Tensor pixels = at::randn({4, 3, image_size, image_size});
    VisionTower tower(config, random_tensors(config));
    tower.set_trainable(true);
    std::vector<NamedTensor> copies;
    for (const auto& [name, tensor] : tower.parameters()) {
      copies.emplace_back(name, tensor.detach().to(at::kDouble).set_requires_grad(true));
    }
    const at::Tensor ours = tower.forward(pixels);
    const at::Tensor expected = reference(config, copies, pixels.to(at::kDouble));
    EXPECT_LT(largest(ours - expected) / largest(expected), 1e-5) << image_size;
    const at::Tensor factors = at::randn({4, config.projection_dim});
    (ours * factors).sum().backward();
    (expected * factors).sum().backward();
    for (size_t i = 0; i < copies.size(); ++i) {
      const at::Tensor gradient = tower.parameters()[i].second.grad();
      const at::Tensor wanted = copies[i].second.grad();
      EXPECT_LT(largest(gradient - wanted) / largest(wanted), 1e-5) << copies[i].first;
    }
  }
}

TEST_P(VisionTowerTest, PackedEqualsThePlainEncoder) {
  const VisionConfig config = config_of(GetParam());
  const std::vector<NamedTensor> tensors = random_tensors(config);
  const at::Tensor pixels = at::randn({5, 3, 23, 23});
  const at::Tensor expected = reference(config, tensors, pixels);
  const at::Tensor fp32 = PackedVisionTower(config, tensors, Precision::kFp32).forward(pixels);
  EXPECT_LT(largest(fp32 - expected) / largest(expected), 1e-5);
  const at::Tensor bf16 = PackedVisionTower(config, tensors, Precision::kBf16).forward(pixels);
  EXPECT_EQ(bf16.scalar_type(), at::kFloat);
  EXPECT_GT((normalize_rows(bf16) * normalize_rows(expected)).sum(1).min().item<double>(), 0.999);
}

TEST_P(VisionTowerTest, AnImageIsEmbeddedTheSameInAnyBatch) {
  const VisionConfig config = config_of(GetParam());
  const VisionTower tower(config, random_tensors(config));
  const PackedVisionTower packed(config, tower.parameters(), Precision::kFp32);
  const at::Tensor pixels = at::randn({6, 3, 23, 23});
  const at::NoGradGuard no_grad;
  const at::Tensor together = tower.forward(pixels), packed_together = packed.forward(pixels);
  at::Tensor others = at::randn_like(pixels);
  others[0] = pixels[3];
  for (const auto& [rows, place] : {std::pair(pixels.slice(0, 3, 4), 0), std::pair(others, 0)}) {
    const double size = largest(together);
    EXPECT_LT(largest(tower.forward(rows)[place] - together[3]) / size, 1e-6);
    EXPECT_LT(largest(packed.forward(rows)[place] - packed_together[3]) / size, 1e-6);
  }
}

TEST_P(VisionTowerTest, PixelsOutsideThePatchesAreNotRead) {
  const VisionConfig config = config_of(GetParam());
  const VisionTower tower(config, random_tensors(config));
  at::Tensor pixels = at::randn({2, 3, 23, 23});
  const at::NoGradGuard no_grad;
  const at::Tensor before = tower.forward(pixels);
  pixels.slice(2, 20, 23).fill_(1e3);
  pixels.slice(3, 20, 23).fill_(1e3);
  EXPECT_TRUE(at::equal(tower.forward(pixels), before));
  pixels.select(2, 19).fill_(1e3);
  EXPECT_FALSE(at::equal(tower.forward(pixels), before));
}

INSTANTIATE_TEST_SUITE_P(Activations, VisionTowerTest,
                         testing::Values(Activation::kQuickGelu, Activation::kGelu),
                         [](const auto& test) {
                           return to_string(test.param) == "gelu" ? "Gelu" : "QuickGelu";
                         });

fs::path golden_model(const std::string& name) {
  return fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/vision" / name;
}

std::string load_error(const fs::path& folder) {
  try {
    ImageModel::load(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ImageModel, EncodesToUnitRows) {
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    const ImageModel model = ImageModel::load(golden_model("quick_gelu/open_clip"), precision);
    EXPECT_EQ(model.preprocessing().image_size, 17);
    EXPECT_EQ(model.precision(), precision);
    const at::Tensor rows = model.encode(at::randn({3, 3, 17, 17}));
    EXPECT_EQ(rows.sizes(), at::IntArrayRef({3, model.embedding_width()}));
    EXPECT_EQ(rows.scalar_type(), at::kFloat);
    EXPECT_LT(largest(rows.norm(2, {1}) - 1), 1e-6);
  }
}

// The same weights under other heads or another activation are another tower.
TEST(ImageModel, TheFingerprintKnowsWhatTheWeightsDoNotTell) {
  VisionConfig config = config_of(Activation::kGelu);
  const std::vector<NamedTensor> tensors = random_tensors(config);
  const std::string before = vision_fingerprint(config, tensors);
  EXPECT_EQ(vision_fingerprint(config, tensors), before);
  config.activation = Activation::kQuickGelu;
  EXPECT_NE(vision_fingerprint(config, tensors), before);
  config = config_of(Activation::kGelu);
  config.heads = 4;
  EXPECT_NE(vision_fingerprint(config, tensors), before);
}

TEST(ImageModel, PreprocessingOfAnotherSizeIsRefused) {
  const test::TemporaryFolder folder;
  fs::copy(golden_model("gelu/hf"), folder / "model", fs::copy_options::recursive);
  write_file_atomic(folder / "model/preprocessor_config.json", "{}");
  EXPECT_NE(load_error(folder / "model")
                .find("makes images of 224 pixels, but the image tower "
                      "takes 12"),
            std::string::npos);
  fs::remove(folder / "model/preprocessor_config.json");
  EXPECT_NE(load_error(folder / "model").find("preprocessor_config.json"), std::string::npos);
}

TEST(ImageModel, ATextTowerAloneHasNoImages) {
  const std::string error =
      load_error(fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip/text_only/model");
  EXPECT_NE(error.find("holds a text tower alone"), std::string::npos) << error;
}

TEST(Precision, AnUnknownOneIsRefused) {
  EXPECT_EQ(parse_precision("bf16"), Precision::kBf16);
  EXPECT_EQ(parse_precision(to_string(Precision::kFp32)), Precision::kFp32);
  EXPECT_THROW(parse_precision("fp16"), Error);
}

}  // namespace
}  // namespace paraclip
