// Models in every form that they come in.

#include "paraclip/clip/model_files.h"

#include "paraclip/base/file.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/safetensors.h"
#include "tests/support.h"

#include <ATen/ATen.h>

#include <functional>

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using test::error_of;

const fs::path kGolden = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/vision/quick_gelu";
const fs::path kOpenClip = kGolden / "open_clip";
const fs::path kHf = kGolden / "hf";

// The weights of `model` in a file of their own, under names that `rename` makes; no name, no
// tensor.
fs::path write_renamed(const fs::path& model, const fs::path& target,
                       const std::function<std::string(const std::string&)>& rename) {
  const ModelFiles files = ModelFiles::open(model);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : files.need_weights().file().entries()) {
    if (const std::string renamed = rename(name); !renamed.empty()) {
      tensors.emplace_back(renamed, entry.view());
    }
  }
  write_safetensors(target, tensors, {});
  return target;
}

// As a file would be that holds what the tables say.
ModelWeights weights_of(const ClipConfig& config) {
  std::vector<TensorName> names = text_tensor_names(config.text);
  if (config.vision) {
    const std::vector<TensorName> vision = vision_tensor_names(*config.vision);
    names.insert(names.end(), vision.begin(), vision.end());
  }
  std::map<std::string, TensorFile::Entry> entries;
  for (const TensorName& entry : names) {
    const std::vector<std::string> parts = entry.names(config.family);
    for (const std::string& name : parts) {
      std::vector<int64_t> shape = entry.shape;
      if (config.family == ModelFamily::kOpenClip && entry.open_clip_transposed) {
        std::swap(shape[0], shape[1]);
      }
      if (parts.size() > 1) shape[0] /= static_cast<int64_t>(parts.size());
      entries[name] = {shape, "F32", {}, {}};
    }
  }
  return ModelWeights(TensorFile("model.pt", TensorFormat::kTorch, std::move(entries)));
}

TEST(CanonicalName, LeavesWrappersOut) {
  for (const char* name : {"visual.proj", "module.visual.proj", "_orig_mod.visual.proj",
                           "module._orig_mod.visual.proj", "_orig_mod.module.visual.proj"}) {
    EXPECT_EQ(canonical_name(name), "visual.proj");
  }
  EXPECT_EQ(canonical_name("module.text.ln_final.bias"), "ln_final.bias");
  EXPECT_EQ(canonical_name("text_projection"), "text_projection");
  EXPECT_EQ(canonical_name("text_model.final_layer_norm.bias"), "text_model.final_layer_norm.bias");
}

TEST(ModelFiles, PrefixesOfWrappersAreNoDifference) {
  const test::TemporaryFolder folder;
  const std::string text = TextModel::load(kOpenClip).fingerprint();
  const std::string image = ImageModel::load(kOpenClip).fingerprint();
  const auto nested = [](const std::string& name) {
    return name.starts_with("visual.") || name == "logit_scale" ? name : "text." + name;
  };
  const std::vector<std::function<std::string(const std::string&)>> renamings = {
      [](const std::string& name) { return "module." + name; },
      [](const std::string& name) { return "_orig_mod.module." + name; }, nested,
      [&](const std::string& name) { return "module." + nested(name); }};
  for (size_t i = 0; i < renamings.size(); ++i) {
    const fs::path model = folder / fmt::format("model{}", i);
    fs::create_directory(model);
    fs::copy(kOpenClip, model, fs::copy_options::recursive);
    write_renamed(kOpenClip, model / "open_clip_model.safetensors", renamings[i]);
    EXPECT_EQ(TextModel::load(model).fingerprint(), text) << i;
    EXPECT_EQ(ImageModel::load(model).fingerprint(), image) << i;
  }
}

TEST(ModelFiles, TwoTensorsOfOneNameAreRefused) {
  std::map<std::string, TensorFile::Entry> entries = {
      {"module.ln_final.bias", {{4}, "F32", {}, {}}}, {"ln_final.bias", {{4}, "F32", {}, {}}}};
  const TensorFile file("model.pt", TensorFormat::kTorch, entries);
  const std::string error = error_of([&] { const ModelWeights weights(file); });
  EXPECT_NE(error.find("'ln_final.bias' and 'module.ln_final.bias' are the same"),
            std::string::npos)
      << error;
}

TEST(ModelFiles, AFileTakesTheConfigurationBesideIt) {
  for (const fs::path& file :
       {kHf / "model.safetensors", kOpenClip / "open_clip_model.safetensors"}) {
    const TextModel model = TextModel::load(file);
    EXPECT_FALSE(model.files().inferred());
    EXPECT_EQ(model.fingerprint(), TextModel::load(file.parent_path()).fingerprint());
    EXPECT_EQ(ImageModel::load(file).fingerprint(),
              ImageModel::load(file.parent_path()).fingerprint());
  }
}

// What open_clip's training and huggingface_hub leave in one folder.
TEST(ModelFiles, AnotherKindOfConfigJsonDoesNotHideAnOpenClipModel) {
  const test::TemporaryFolder folder;
  fs::copy(kOpenClip, folder / "model", fs::copy_options::recursive);
  fs::copy(kHf / "model.safetensors", folder / "model" / "model.safetensors");
  write_file_atomic(folder / "model" / "config.json", R"({"model_type": "roberta"})");
  EXPECT_EQ(ModelFiles::open(folder / "model").config.family, ModelFamily::kOpenClip);
  fs::copy(kHf / "config.json", folder / "model" / "config.json",
           fs::copy_options::overwrite_existing);
  EXPECT_EQ(ModelFiles::open(folder / "model").config.family, ModelFamily::kHf);
}

TEST(ModelFiles, WeightsAloneNeedTheActivation) {
  const test::TemporaryFolder folder;
  const auto keep = [](const std::string& name) { return name; };
  for (const fs::path& model : {kHf, kOpenClip}) {
    const fs::path file =
        write_renamed(model, folder / (model.filename().string() + ".safetensors"), keep);
    const std::string error = error_of([&] { ModelFiles::open(file); });
    EXPECT_NE(error.find("give --activation quick_gelu"), std::string::npos) << error;
    const ModelFiles files = ModelFiles::open({file, Activation::kQuickGelu});
    EXPECT_TRUE(files.inferred());
    EXPECT_EQ(files.config.text.activation, Activation::kQuickGelu);
    EXPECT_EQ(files.config.vision->activation, Activation::kQuickGelu);
    EXPECT_EQ(read_preprocessing(files).image_size, files.config.vision->image_size);
    const ClipConfig own = ModelFiles::open(model).config;
    EXPECT_EQ(text_fingerprint(own.text, read_text_tensors(files)),
              TextModel::load(model).fingerprint());
  }
}

TEST(ModelFiles, AnActivationOtherThanTheConfigurationsIsRefused) {
  for (const fs::path& model : {kHf, kOpenClip}) {
    EXPECT_EQ(error_of([&] { ModelFiles::open({model, Activation::kQuickGelu}); }), "no error");
    const std::string error = error_of([&] { ModelFiles::open({model, Activation::kGelu}); });
    EXPECT_NE(error.find("given as gelu, but"), std::string::npos) << error;
    EXPECT_NE(error.find("says quick_gelu"), std::string::npos) << error;
  }
}

struct Architecture {
  const char* name;
  int64_t width, layers, heads, patch, size, text_width, text_layers, projection;
};

// Sizes of open_clip's model configurations.
constexpr Architecture kArchitectures[] = {{"ViT-B-32", 768, 12, 12, 32, 224, 512, 12, 512},
                                           {"ViT-B-16", 768, 12, 12, 16, 224, 512, 12, 512},
                                           {"ViT-L-14", 1024, 24, 16, 14, 224, 768, 12, 768},
                                           {"ViT-L-14-336", 1024, 24, 16, 14, 336, 768, 12, 768},
                                           {"ViT-H-14", 1280, 32, 16, 14, 224, 1024, 24, 1024},
                                           {"ViT-g-14", 1408, 40, 16, 14, 224, 1024, 24, 1024},
                                           {"ViT-bigG-14", 1664, 48, 16, 14, 224, 1280, 32, 1280}};

TEST(InferConfig, ReadsEveryArchitectureOffItsShapes) {
  for (const Architecture& one : kArchitectures) {
    for (const ModelFamily family : {ModelFamily::kHf, ModelFamily::kOpenClip}) {
      ClipConfig config;
      config.family = family;
      config.text.width = one.text_width;
      config.text.mlp_width = 4 * one.text_width;
      config.text.layers = one.text_layers;
      config.text.projection_dim = one.projection;
      VisionConfig vision;
      vision.width = one.width;
      vision.mlp_width = 4 * one.width;
      vision.layers = one.layers;
      vision.patch_size = one.patch;
      vision.image_size = one.size;
      vision.projection_dim = one.projection;
      config.vision = vision;
      const ClipConfig found = infer_config(weights_of(config), Activation::kGelu);
      EXPECT_EQ(found.family, family);
      EXPECT_EQ(found.text.width, one.text_width) << one.name;
      EXPECT_EQ(found.text.heads, one.text_width / 64) << one.name;
      EXPECT_EQ(found.text.layers, one.text_layers) << one.name;
      EXPECT_EQ(found.text.mlp_width, 4 * one.text_width) << one.name;
      EXPECT_EQ(found.text.projection_dim, one.projection) << one.name;
      EXPECT_EQ(found.text.context_length, 77) << one.name;
      ASSERT_TRUE(found.vision) << one.name;
      EXPECT_EQ(found.vision->heads, one.heads) << one.name;
      EXPECT_EQ(found.vision->layers, one.layers) << one.name;
      EXPECT_EQ(found.vision->patch_size, one.patch) << one.name;
      EXPECT_EQ(found.vision->image_size, one.size) << one.name;
      EXPECT_EQ(found.vision->projection_dim, one.projection) << one.name;
    }
  }
}

TEST(InferConfig, ReadsRobertaOffItsShapes) {
  for (const int64_t hidden : {640, 0}) {
    ClipConfig config;
    config.family = ModelFamily::kOpenClip;
    config.text.architecture = TextArchitecture::kRoberta;
    config.text.vocabulary_size = 50265;
    config.text.positions = 514;
    config.text.width = 768;
    config.text.mlp_width = 3072;
    config.text.projection_hidden = hidden;
    config.text.nested = true;
    config.vision = VisionConfig();
    const ClipConfig found = infer_config(weights_of(config), Activation::kQuickGelu);
    EXPECT_EQ(found.text.architecture, TextArchitecture::kRoberta);
    EXPECT_EQ(found.text.projection_hidden, hidden);
    EXPECT_EQ(found.text.projection_dim, 512);
    EXPECT_EQ(found.text.heads, 12);
    EXPECT_EQ(found.text.positions, 514);
    EXPECT_EQ(found.text.context_length, 77);
    EXPECT_EQ(found.text.activation, Activation::kGelu);
    EXPECT_EQ(found.text.pooling, Pooling::kMean);
    EXPECT_EQ(found.vision->activation, Activation::kQuickGelu);
  }
}

TEST(InferConfig, OtherModelsAreRefusedByName) {
  ClipConfig config;
  config.family = ModelFamily::kOpenClip;
  std::map<std::string, TensorFile::Entry> entries = weights_of(config).file().entries();
  const auto error_with = [&](const std::string& name) {
    auto more = entries;
    more[name] = {{1}, "F32", {}, {}};
    const ModelWeights weights(TensorFile("model.pt", TensorFormat::kTorch, more));
    return error_of([&] { infer_config(weights, Activation::kGelu); });
  };
  EXPECT_NE(error_with("logit_bias").find("SigLIP"), std::string::npos);
  EXPECT_NE(error_with("text_decoder.resblocks.0.ln_1.bias").find("CoCa"), std::string::npos);
  EXPECT_EQ(error_with("visual.extra"), "no error");
  entries.erase("positional_embedding");
  EXPECT_NE(error_with("x").find("positional_embedding is missing"), std::string::npos);
}

// LaCLIP's smaller models have a ViT of timm's.
TEST(ModelFiles, ATextTowerBesideAnUnsupportedImageTowerCanBeUsed) {
  const test::TemporaryFolder folder;
  const fs::path file =
      write_renamed(kOpenClip, folder / "laclip.safetensors", [](const std::string& name) {
        if (name == "visual.proj") return std::string("image_projection");
        if (name == "visual.conv1.weight") return std::string("visual.patch_embed.proj.weight");
        return name;
      });
  fs::copy(kOpenClip / "tokenizer.json", folder / "tokenizer.json");
  const ModelSource source{file, Activation::kQuickGelu};
  const TextModel model = TextModel::load(source);
  EXPECT_EQ(model.config().other_vision, "a ViT of timm's");
  const std::string error = error_of([&] { ImageModel::load(source); });
  EXPECT_NE(error.find("is a ViT of timm's, which is not supported"), std::string::npos) << error;
  EXPECT_NE(error_of([&] { model.check_savable(/*text_only=*/false); }).find("--text-only"),
            std::string::npos);
  model.check_savable(/*text_only=*/true);
  fs::create_directory(folder / "saved");
  model.save_text_only(folder / "saved");
  EXPECT_EQ(TextModel::load(folder / "saved").fingerprint(), model.fingerprint());
}

TEST(ModelFiles, AnUnsupportedImageTowerIsKeptByteForByte) {
  const test::TemporaryFolder folder;
  const fs::path model = folder / "model";
  fs::copy(kOpenClip, model, fs::copy_options::recursive);
  Json json = read_json(model / "open_clip_config.json");
  json["model_cfg"]["vision_cfg"]["timm_model_name"] = "convnext_base";
  write_file_atomic(model / "open_clip_config.json", dump_json(json));
  const TextModel text = TextModel::load(model);
  EXPECT_EQ(text.config().other_vision, "ConvNeXt (convnext_base)");
  fs::create_directory(folder / "saved");
  text.save(folder / "saved");
  const auto before = view_vision_tensors(ModelFiles::open(model));
  const auto after = view_vision_tensors(ModelFiles::open(folder / "saved"));
  ASSERT_EQ(before.size(), after.size());
  EXPECT_FALSE(before.empty());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].first, after[i].first);
    EXPECT_TRUE(at::equal(before[i].second, after[i].second)) << before[i].first;
  }
  const std::string error = error_of([&] { ImageModel::load(model); });
  EXPECT_NE(error.find("ConvNeXt (convnext_base), which is not supported"), std::string::npos);
}

}  // namespace
}  // namespace paraclip
