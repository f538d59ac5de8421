// Compares both towers of tiny models, in both families' folders, with what transformers and
// open_clip computed (scripts/make_vision_golden.py). `make parity` runs the same comparison on
// files made live, in the folder that PARACLIP_GOLDEN names, and shows the printed lines.
//
// Tolerances as in clip_golden_test.cc: float32 sums in another order. bfloat16 has 8 bits: a
// product is off by 2^-9 at most, and what the few layers here add up to is well under one degree.

#include "paraclip/base/error.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/safetensors.h"
#include "paraclip/train/losses.h"
#include "tests/golden/report.h"
#include "tests/support.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr double kEmbeddingTolerance = 1e-5;
constexpr double kLossTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-5;
constexpr double kBf16Tolerance = 2e-4;  // Of 1 - cosine.

constexpr const char* kPeers[] = {"transformers", "open_clip"};

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

// A model's kind and the family of the folder that it is read from.
class VisionGolden : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  std::string kind = std::get<0>(GetParam()), form = std::get<1>(GetParam());
  fs::path root = test::golden_root("vision") / kind;
  ModelFiles folder = ModelFiles::open(root / form);
  VisionConfig vision_config = *folder.config.vision;
  SafetensorsFile golden = SafetensorsFile::open(root / "golden.safetensors");
  Json golden_json = read_json(root / "golden.json");
  TextModel text = TextModel::load(root / form);
  VisionTower vision = VisionTower(vision_config, read_vision_tensors(folder));
  at::Tensor pixels = golden.tensor("pixels");

  std::string label() const { return kind + ", " + form; }
  void report(const std::string& what, double difference, double tolerance) const {
    test::report(label(), what, difference, tolerance);
  }

  std::vector<std::vector<int64_t>> tokens() const {
    std::vector<std::vector<int64_t>> texts;
    for (const Json& caption : golden_json["captions"]) {
      texts.push_back(text.tokenize(caption.get<std::string>()));
    }
    return texts;
  }

  at::Tensor text_rows() const { return text.tower().forward(pack(tokens(), text.config().text)); }

  // Gradients of the joint loss of all pairs, under the names of `family`.
  std::vector<NamedTensor> gradients(ModelFamily family) {
    vision.set_trainable(true);
    text.tower().set_trainable(true);
    const at::Tensor loss = info_nce(normalize_rows(vision.forward(pixels)),
                                     normalize_rows(text_rows()), text.tower().logit_scale());
    loss.backward();
    for (const char* peer : kPeers) {
      report(fmt::format("joint loss, {}", peer),
             std::abs(loss.item<double>() - golden_json["loss"][peer].get<double>()),
             kLossTolerance);
    }
    std::vector<NamedTensor> all;
    const auto add = [&](const std::vector<TensorName>& entries,
                         const std::vector<NamedTensor>& parameters) {
      std::vector<NamedTensor> own;
      for (const auto& [name, parameter] : parameters) own.emplace_back(name, parameter.grad());
      for (NamedTensor& tensor : to_file_tensors(entries, own, family)) {
        all.push_back(std::move(tensor));
      }
    };
    add(vision_tensor_names(vision_config), vision.parameters());
    add(text_tensor_names(text.config().text), text.tower().parameters());
    return all;
  }
};

TEST_P(VisionGolden, ImageEmbeddingsMatchBothPeers) {
  const at::NoGradGuard no_grad;
  const at::Tensor trained = vision.forward(pixels);
  const at::Tensor packed =
      PackedVisionTower(vision_config, vision.parameters(), Precision::kFp32).forward(pixels);
  const at::Tensor bf16 =
      PackedVisionTower(vision_config, vision.parameters(), Precision::kBf16).forward(pixels);
  for (const char* peer : kPeers) {
    const at::Tensor expected = golden.tensor(fmt::format("images.{}", peer));
    report(fmt::format("image embeddings, {}", peer), largest_difference(trained, expected),
           kEmbeddingTolerance);
    report(fmt::format("images, packed, {}", peer), largest_difference(packed, expected),
           kEmbeddingTolerance);
    const at::Tensor cosines = (normalize_rows(bf16) * normalize_rows(expected)).sum(1);
    report(fmt::format("images in bf16, 1 - cosine, {}", peer), 1 - cosines.min().item<double>(),
           kBf16Tolerance);
  }
  EXPECT_GT(largest_difference(bf16, packed), 1e-4) << "is this bfloat16?";
}

TEST_P(VisionGolden, TextEmbeddingsMatchBothPeers) {
  const at::NoGradGuard no_grad;
  const auto texts = tokens();
  const at::Tensor ids = golden.tensor("token_ids");
  for (size_t i = 0; i < texts.size(); ++i) {
    const at::Tensor ours = at::tensor(at::ArrayRef<int64_t>(texts[i]), at::kLong);
    EXPECT_TRUE(at::equal(ours, ids[static_cast<int64_t>(i)].slice(0, 0, ours.numel()))) << i;
  }
  const at::Tensor rows = text_rows();
  for (const char* peer : kPeers) {
    report(fmt::format("text embeddings, {}", peer),
           largest_difference(rows, golden.tensor(fmt::format("texts.{}", peer))),
           kEmbeddingTolerance);
  }
}

TEST_P(VisionGolden, JointLossAndEveryGradientMatch) {
  const bool hf = folder.config.family == ModelFamily::kHf;
  const std::string prefix = hf ? "grad.transformers." : "grad.open_clip.";
  const std::vector<NamedTensor> ours = gradients(folder.config.family);
  const auto all = std::count_if(golden.names().begin(), golden.names().end(),
                                 [&](const std::string& name) { return name.starts_with(prefix); });
  EXPECT_EQ(static_cast<size_t>(all), ours.size());
  double worst = 0;
  for (const auto& [name, gradient] : ours) {
    // A key's bias has the gradient 0 but for rounding: it is measured by the query's.
    std::string measure = name;
    if (const size_t key = name.find("k_proj.bias"); key != std::string::npos) measure[key] = 'q';
    const double size = golden.tensor(prefix + measure).abs().max().item<double>();
    const double difference = largest_difference(gradient, golden.tensor(prefix + name)) / size;
    EXPECT_LE(difference, kGradientTolerance) << name;
    worst = std::max(worst, difference);
  }
  report(fmt::format("{} gradients of both towers", ours.size()), worst, kGradientTolerance);
}

std::map<std::string, at::Tensor> tensors_of(const fs::path& file) {
  std::map<std::string, at::Tensor> tensors;
  const SafetensorsFile opened = SafetensorsFile::open(file);
  for (const std::string& name : opened.names()) tensors[name] = opened.tensor(name).clone();
  return tensors;
}

TEST_P(VisionGolden, SavingKeepsEveryTensor) {
  const test::TemporaryFolder target;
  text.save(target.path());
  const std::string weights = weights_file_name(folder.config.family);
  const auto before = tensors_of(root / form / weights), after = tensors_of(target / weights);
  EXPECT_EQ(before.size(), after.size());
  for (const auto& [name, tensor] : before) {
    ASSERT_TRUE(after.contains(name)) << name;
    EXPECT_TRUE(at::equal(tensor, after.at(name))) << name;
  }
  EXPECT_EQ(TextModel::load(target.path()).fingerprint(), text.fingerprint());
  EXPECT_EQ(ImageModel::load(target.path()).fingerprint(),
            ImageModel::load(root / form).fingerprint());
}

TEST_P(VisionGolden, SavingATrainedImageTowerWritesItAlone) {
  const test::TemporaryFolder target;
  std::vector<NamedTensor> changed;
  for (const auto& [name, tensor] : vision.parameters()) changed.emplace_back(name, tensor * 2 + 1);
  const VisionTower trained(vision_config, changed);
  text.save(target.path(), &trained);
  const ModelFiles saved = ModelFiles::open(target.path());
  const std::vector<NamedTensor> read = read_vision_tensors(saved);
  for (size_t i = 0; i < changed.size(); ++i) {
    EXPECT_TRUE(at::equal(read[i].second, changed[i].second)) << changed[i].first;
  }
  EXPECT_EQ(TextModel::load(target.path()).fingerprint(), text.fingerprint());
  // In the file, each tensor is 2 x + 1 of the one before, under its old name and in its old form.
  const std::string weights = weights_file_name(folder.config.family);
  const auto before = tensors_of(root / form / weights), after = tensors_of(target / weights);
  EXPECT_EQ(before.size(), after.size());
  for (const auto& [name, tensor] : before) {
    const bool image = is_vision_tensor(name, folder.config.family);
    EXPECT_TRUE(at::equal(image ? tensor * 2 + 1 : tensor, after.at(name))) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, VisionGolden,
                         testing::Combine(testing::Values("quick_gelu", "gelu"),
                                          testing::Values("hf", "open_clip")),
                         [](const auto& test) {
                           return fmt::format("{}_{}", std::get<0>(test.param),
                                              std::get<1>(test.param));
                         });

TEST(VisionFingerprint, TellsTheTowerNotItsForm) {
  const fs::path root = test::golden_root("vision");
  const auto image = [&](const char* folder, Precision precision = Precision::kFp32) {
    return ImageModel::load(root / folder, precision).fingerprint();
  };
  EXPECT_EQ(image("quick_gelu/hf"), image("quick_gelu/open_clip"));
  EXPECT_EQ(image("gelu/hf"), image("gelu/open_clip"));
  EXPECT_EQ(image("gelu/hf"), image("gelu/hf", Precision::kBf16));
  EXPECT_NE(image("gelu/hf"), image("quick_gelu/hf"));
  const auto text = [&](const char* folder) {
    return TextModel::load(root / folder).fingerprint();
  };
  EXPECT_EQ(text("quick_gelu/hf"), text("quick_gelu/open_clip"));
}

}  // namespace
}  // namespace paraclip
