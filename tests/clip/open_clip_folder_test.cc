// What is wrong with an open_clip folder is named.

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

const fs::path kGolden = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/vision/quick_gelu/open_clip";
constexpr const char* kWeights = "open_clip_model.safetensors";

std::string load_error(const fs::path& folder) {
  return error_of([&] {
    TextModel::load(folder);
    ImageModel::load(folder);
  });
}

void write_changed(const fs::path& target,
                   const std::function<void(std::vector<NamedTensor>&)>& change) {
  fs::copy(kGolden, target, fs::copy_options::recursive);
  const SafetensorsFile file = SafetensorsFile::open(kGolden / kWeights);
  std::vector<NamedTensor> tensors;
  for (const std::string& name : file.names()) tensors.emplace_back(name, file.tensor(name));
  change(tensors);
  write_safetensors(target / kWeights, tensors, {{"format", "pt"}});
}

// The error of the golden configuration with a value at `pointer`.
std::string config_error(const std::string& pointer, const Json& value) {
  Json json = read_json(kGolden / "open_clip_config.json");
  json[Json::json_pointer(pointer)] = value;
  return error_of([&] { ClipConfig::parse_open_clip(json, "open_clip_config.json"); });
}

TEST(OpenClipConfig, WhatOpenClipMeansByDefaultIsTaken) {
  Json json = {
      {"model_cfg",
       {{"embed_dim", 512}, {"vision_cfg", {{"patch_size", 32}}}, {"text_cfg", Json::object()}}}};
  const ClipConfig config = ClipConfig::parse_open_clip(json, "test");
  EXPECT_EQ(config.family, ModelFamily::kOpenClip);
  EXPECT_EQ(config.vision->heads, 12);
  EXPECT_EQ(config.vision->mlp_width, 3072);
  EXPECT_EQ(config.vision->activation, Activation::kGelu);
  EXPECT_EQ(config.text.activation, Activation::kGelu);
  EXPECT_EQ(config.text.heads, 8);
  EXPECT_EQ(config.text.pooling, Pooling::kHighestId);
  json["model_cfg"]["quick_gelu"] = true;
  EXPECT_EQ(ClipConfig::parse_open_clip(json, "test").vision->activation, Activation::kQuickGelu);
}

// The values that open_clip's own dataclasses have, written out.
TEST(OpenClipConfig, DefaultsWrittenOutAreAccepted) {
  for (const auto& [pointer, value] :
       std::vector<std::pair<std::string, Json>>{{"/model_cfg/vision_cfg/pool_type", "tok"},
                                                 {"/model_cfg/vision_cfg/ls_init_value", nullptr},
                                                 {"/model_cfg/vision_cfg/patch_dropout", 0.0},
                                                 {"/model_cfg/vision_cfg/timm_model_name", nullptr},
                                                 {"/model_cfg/vision_cfg/no_ln_pre", false},
                                                 {"/model_cfg/vision_cfg/mlp_ratio", 4.0},
                                                 {"/model_cfg/text_cfg/pool_type", "argmax"},
                                                 {"/model_cfg/text_cfg/embed_cls", false},
                                                 {"/model_cfg/text_cfg/pad_id", 0},
                                                 {"/model_cfg/text_cfg/proj_type", "linear"},
                                                 {"/model_cfg/init_logit_bias", nullptr}}) {
    EXPECT_EQ(config_error(pointer, value), "no error") << pointer;
  }
}

struct ConfigCase {
  const char* pointer;
  Json value;
  const char* named;
};

// The text tower is CLIP's own all the same.
TEST(OpenClipConfig, OtherImageTowersAreNamed) {
  const std::vector<ConfigCase> cases = {
      {"/model_cfg/vision_cfg/timm_model_name", "convnext_base", "ConvNeXt (convnext_base)"},
      {"/model_cfg/vision_cfg/timm_model_name", "eva02_base_patch16_clip_224", "EVA (eva02"},
      {"/model_cfg/vision_cfg/timm_model_name", "vit_base_patch16_siglip_224", "SigLIP's (vit"},
      {"/model_cfg/vision_cfg/timm_model_name", "vit_relpos_medium", "timm's (vit_relpos"},
      {"/model_cfg/vision_cfg/layers", Json{3, 4, 6, 3}, "a ResNet"},
      {"/model_cfg/vision_cfg/pool_type", "avg", "a ViT whose \"pool_type\" is \"avg\""},
      {"/model_cfg/vision_cfg/attentional_pool", true, "\"attentional_pool\" is true"},
      {"/model_cfg/vision_cfg/no_ln_pre", true, "\"no_ln_pre\""},
      {"/model_cfg/vision_cfg/ls_init_value", 1e-4, "\"ls_init_value\""},
      {"/model_cfg/vision_cfg/pos_embed_type", "sin_cos_2d", "\"pos_embed_type\""},
      {"/model_cfg/vision_cfg/act_kwargs", {{"approximate", "tanh"}}, "\"act_kwargs\""}};
  for (const ConfigCase& one : cases) {
    Json json = read_json(kGolden / "open_clip_config.json");
    json[Json::json_pointer(one.pointer)] = one.value;
    const ClipConfig config = ClipConfig::parse_open_clip(json, "test");
    EXPECT_FALSE(config.vision) << one.pointer;
    EXPECT_NE(config.other_vision.find(one.named), std::string::npos) << config.other_vision;
  }
}

TEST(OpenClipConfig, RobertaIsReadByItsName) {
  Json json = read_json(kGolden / "open_clip_config.json");
  json["model_cfg"]["embed_dim"] = 512;
  json["model_cfg"]["text_cfg"] = {{"hf_model_name", "roberta-base"},
                                   {"hf_tokenizer_name", "roberta-base"},
                                   {"hf_pooler_type", "mean_pooler"}};
  const TextConfig text = ClipConfig::parse_open_clip(json, "test").text;
  EXPECT_EQ(text.architecture, TextArchitecture::kRoberta);
  EXPECT_EQ(text.activation, Activation::kGelu);
  EXPECT_EQ(text.pooling, Pooling::kMean);
  EXPECT_EQ(text.context_length, 77);
  EXPECT_EQ(text.positions, 514);
  EXPECT_EQ(text.projection_hidden, (768 + 512) / 2);
  EXPECT_TRUE(text.nested);
  json["model_cfg"]["text_cfg"]["hf_proj_type"] = "linear";
  EXPECT_EQ(ClipConfig::parse_open_clip(json, "test").text.projection_hidden, 0);
}

TEST(OpenClipConfig, OtherTextTowersAreRefusedByName) {
  const std::vector<ConfigCase> cases = {
      {"/model_cfg/text_cfg/hf_model_name", "xlm-roberta-base",
       "\"hf_model_name\" is \"xlm-roberta-base\""},
      {"/model_cfg/text_cfg",
       {{"hf_model_name", "roberta-base"}, {"hf_pooler_type", "cls_pooler"}},
       "\"hf_pooler_type\" is \"cls_pooler\""},
      {"/model_cfg/text_cfg",
       {{"hf_model_name", "roberta-base"}, {"hf_proj_type", "none"}},
       "\"hf_proj_type\" is \"none\""},
      {"/model_cfg/text_cfg/pool_type", "last", "\"pool_type\" is \"last\""},
      {"/model_cfg/text_cfg/embed_cls", true, "CoCa"},
      {"/model_cfg/text_cfg/no_causal_mask", true, "\"no_causal_mask\""},
      {"/model_cfg/text_cfg/proj_bias", true, "\"proj_bias\""},
      {"/model_cfg/init_logit_bias", -10, "SigLIP"},
      {"/model_cfg/multimodal_cfg", {{"width", 512}}, "CoCa"},
      {"/model_cfg/vision_cfg", nullptr, "\"vision_cfg\" is missing"},
      {"/model_cfg/vision_cfg/patch_size", 18, "image_size 17 and patch_size 18"},
      {"/model_cfg/vision_cfg/width", 25, "hidden_size 25 is not a multiple"},
      {"/model_cfg/text_cfg/heads", 5, "hidden_size 16 is not a multiple"}};
  for (const ConfigCase& one : cases) {
    const std::string error = config_error(one.pointer, one.value);
    EXPECT_NE(error.find(one.named), std::string::npos) << one.pointer << ": " << error;
    EXPECT_NE(error.find("open_clip_config.json"), std::string::npos) << error;
  }
}

TEST(OpenClipFolder, AllTensorsThatDoNotFitAreListedAtOnce) {
  const test::TemporaryFolder folder;
  write_changed(folder / "model", [](std::vector<NamedTensor>& tensors) {
    std::erase_if(tensors,
                  [](const NamedTensor& tensor) { return tensor.first == "ln_final.bias"; });
    tensors.emplace_back("logit_bias", at::zeros({}));
    for (auto& [name, tensor] : tensors) {
      if (name == "text_projection") tensor = tensor.t().contiguous();
    }
  });
  const std::string error = load_error(folder / "model");
  for (const char* part :
       {kWeights, "its open_clip_config.json", "1 missing: ln_final.bias",
        "1 unexpected: logit_bias", "text_projection is F32 [12, 16], expected floats [16, 12]"}) {
    EXPECT_NE(error.find(part), std::string::npos) << part << " in: " << error;
  }
}

TEST(OpenClipFolder, AnImageTowersMisfitsAreListed) {
  const test::TemporaryFolder folder;
  write_changed(folder / "model", [](std::vector<NamedTensor>& tensors) {
    std::erase_if(tensors, [](const NamedTensor& tensor) {
      return tensor.first == "visual.transformer.resblocks.1.attn.in_proj_bias";
    });
    tensors.emplace_back("visual.attnpool.k_proj.weight", at::zeros({2, 2}));
    for (auto& [name, tensor] : tensors) {
      if (name == "visual.positional_embedding") tensor = at::zeros({50, 24});
    }
  });
  const std::string error = load_error(folder / "model");
  for (const char* part : {"1 missing: visual.transformer.resblocks.1.attn.in_proj_bias",
                           "1 unexpected: visual.attnpool.k_proj.weight",
                           "visual.positional_embedding is F32 [50, 24], expected floats "
                           "[10, 24]"}) {
    EXPECT_NE(error.find(part), std::string::npos) << part << " in: " << error;
  }
}

TEST(OpenClipFolder, WeightsThatAreMissingAreNamed) {
  const test::TemporaryFolder folder;
  fs::copy(kGolden, folder / "model", fs::copy_options::recursive);
  fs::remove(folder / "model" / kWeights);
  EXPECT_NE(load_error(folder / "model").find("holds no open_clip_model.safetensors"),
            std::string::npos);
}

TEST(OpenClipFolder, ATextTowerAloneIsSavedInHfsForm) {
  const test::TemporaryFolder folder;
  const TextModel model = TextModel::load(kGolden);
  fs::create_directory(folder / "saved");
  model.save_text_only(folder / "saved");
  const TextModel saved = TextModel::load(folder / "saved");
  EXPECT_EQ(saved.config().family, ModelFamily::kHf);
  EXPECT_FALSE(saved.config().vision);
  EXPECT_EQ(saved.fingerprint(), model.fingerprint());
  EXPECT_TRUE(at::equal(saved.encode({"a dog runs"}), model.encode({"a dog runs"})));
}

TEST(OpenClipFolder, ALogitScaleOfOneElementIsAScalar) {
  const test::TemporaryFolder folder;
  write_changed(folder / "model", [](std::vector<NamedTensor>& tensors) {
    for (auto& [name, tensor] : tensors) {
      if (name == "logit_scale") tensor = tensor.reshape({1});
    }
    tensors.emplace_back("attn_mask", at::zeros({20, 20}));  // A buffer of old versions.
  });
  const TextModel model = TextModel::load(folder / "model");
  EXPECT_EQ(model.tower().logit_scale().dim(), 0);
  EXPECT_EQ(model.fingerprint(), TextModel::load(kGolden).fingerprint());
}

}  // namespace
}  // namespace paraclip
