#include "paraclip/clip/convert.h"

#include "paraclip/base/file.h"
#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/text_model.h"
#include "paraclip/io/safetensors.h"
#include "tests/support.h"

#include <ATen/ATen.h>

#include <set>
#include <tuple>

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using test::error_of;

const fs::path kGolden = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/vision";

std::set<std::string> files_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

void convert(const fs::path& from, ModelFamily target, const fs::path& to) {
  convert_model(ModelFiles::open(from), target, to);
}

// A copy of a golden model with its tensors as `type`.
fs::path as_type(const fs::path& model, const fs::path& target, at::ScalarType type) {
  fs::copy(model, target, fs::copy_options::recursive);
  const ModelFiles files = ModelFiles::open(model);
  std::vector<NamedTensor> tensors;
  for (const auto& [name, entry] : files.need_weights().file().entries()) {
    tensors.emplace_back(name, entry.view().to(type));
  }
  write_safetensors(target / weights_file_name(files.config.family), tensors, {});
  return target;
}

fs::path beside(const fs::path& path, const std::string& ending) { return path.string() + ending; }

class ConvertTest : public testing::TestWithParam<std::tuple<const char*, at::ScalarType>> {
 protected:
  test::TemporaryFolder folder_;
};

TEST_P(ConvertTest, ThereAndBackIsEveryTensorBitForBit) {
  const auto [activation, type] = GetParam();
  for (const bool from_hf : {true, false}) {
    const fs::path source = as_type(kGolden / activation / (from_hf ? "hf" : "open_clip"),
                                    folder_ / (from_hf ? "a" : "b"), type);
    const ModelFamily own = from_hf ? ModelFamily::kHf : ModelFamily::kOpenClip;
    const ModelFamily other = from_hf ? ModelFamily::kOpenClip : ModelFamily::kHf;
    convert(source, other, beside(source, ".there"));
    convert(beside(source, ".there"), own, beside(source, ".back"));
    const auto before = ModelFiles::open(source).need_weights().file();
    const auto back = ModelFiles::open(beside(source, ".back")).need_weights().file();
    ASSERT_EQ(before.entries().size(), back.entries().size());
    for (const auto& [name, entry] : before.entries()) {
      EXPECT_EQ(back.entries().at(name).dtype, entry.dtype) << name;
      EXPECT_TRUE(at::equal(back.tensor(name), entry.view())) << name;
    }
    for (const std::string step : {".there", ".back"}) {
      EXPECT_EQ(TextModel::load(beside(source, step)).fingerprint(),
                TextModel::load(source).fingerprint());
      EXPECT_EQ(ImageModel::load(beside(source, step)).fingerprint(),
                ImageModel::load(source).fingerprint());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConvertTest,
                         testing::Combine(testing::Values("quick_gelu", "gelu"),
                                          testing::Values(at::kFloat, at::kHalf, at::kBFloat16)),
                         [](const auto& test) {
                           return fmt::format("{}_{}", std::get<0>(test.param),
                                              c10::toString(std::get<1>(test.param)));
                         });

TEST(Convert, TheConfigurationSaysTheSame) {
  const test::TemporaryFolder folder;
  const fs::path source = kGolden / "quick_gelu/hf";
  convert(source, ModelFamily::kOpenClip, folder / "there");
  convert(folder / "there", ModelFamily::kHf, folder / "back");
  const ModelFiles before = ModelFiles::open(source), there = ModelFiles::open(folder / "there"),
                   back = ModelFiles::open(folder / "back");
  EXPECT_EQ(there.config.text.pooling, Pooling::kHighestId);
  for (const ModelFiles* files : {&there, &back}) {
    EXPECT_EQ(files->config.text.activation, before.config.text.activation);
    EXPECT_EQ(files->config.text.heads, before.config.text.heads);
    EXPECT_EQ(files->config.text.mlp_width, before.config.text.mlp_width);
    EXPECT_EQ(files->config.vision->heads, before.config.vision->heads);
    EXPECT_EQ(files->config.vision->patch_size, before.config.vision->patch_size);
    Json steps = read_preprocessing(*files).to_json(),
         wanted = read_preprocessing(before).to_json();
    steps.erase("family");
    wanted.erase("family");
    EXPECT_EQ(steps, wanted);
  }
}

TEST(Convert, WritesWhatTheHubExpects) {
  const test::TemporaryFolder folder;
  const fs::path source = folder / "source";
  fs::copy(kGolden / "quick_gelu/open_clip", source, fs::copy_options::recursive);
  convert(source, ModelFamily::kHf, folder / "hf");
  EXPECT_EQ(files_in(folder / "hf"),
            (std::set<std::string>{"README.md", "config.json", "model.safetensors",
                                   "preprocessor_config.json", "tokenizer.json",
                                   "tokenizer_config.json"}));
  convert(source, ModelFamily::kOpenClip, folder / "same");
  EXPECT_EQ(
      files_in(folder / "same"),
      (std::set<std::string>{"README.md", "open_clip_config.json", "open_clip_model.safetensors",
                             "tokenizer.json", "tokenizer_config.json"}));
  const std::string card = read_file(folder / "hf" / "README.md");
  EXPECT_TRUE(card.starts_with("---\nlibrary_name: transformers\n")) << card;
  for (const std::string& part :
       {TextModel::load(source).fingerprint(), ImageModel::load(source).fingerprint(),
        std::string("CLIPModel.from_pretrained")}) {
    EXPECT_NE(card.find(part), std::string::npos) << card;
  }
}

TEST(Convert, WhatHasNoFormIsRefusedAndNothingWritten) {
  const test::TemporaryFolder folder;
  const fs::path hf = kGolden / "quick_gelu/hf";
  const auto refused = [&](const std::string& pointer, const Json& value) {
    const fs::path model = folder / "model";
    fs::remove_all(model);
    fs::copy(hf, model, fs::copy_options::recursive);
    Json json = read_json(model / "config.json");
    json[Json::json_pointer(pointer)] = value;
    write_file_atomic(model / "config.json", dump_json(json));
    const std::string error =
        error_of([&] { convert(model, ModelFamily::kOpenClip, folder / "out"); });
    EXPECT_EQ(fs::exists(folder / "out"), error == "no error") << pointer;
    return error;
  };
  EXPECT_NE(refused("/text_config/layer_norm_eps", 1e-6).find("epsilon is 1e-06"),
            std::string::npos);
  EXPECT_NE(refused("/vision_config/hidden_act", "gelu").find("one for both"), std::string::npos);
  EXPECT_NE(refused("/text_config/eos_token_id", 5).find("pooled at token 5"), std::string::npos);
  EXPECT_EQ(refused("/text_config/hidden_act", "quick_gelu"), "no error");
  const std::string exists = error_of([&] { convert(hf, ModelFamily::kHf, folder / "model"); });
  EXPECT_NE(exists.find("exists; choose a folder that does not"), std::string::npos) << exists;
}

TEST(Convert, ATextTowerAloneIsHfsOnly) {
  const test::TemporaryFolder folder;
  const fs::path source = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip/text_only/model";
  convert(source, ModelFamily::kHf, folder / "hf");
  EXPECT_EQ(TextModel::load(folder / "hf").fingerprint(), TextModel::load(source).fingerprint());
  const std::string error =
      error_of([&] { convert(source, ModelFamily::kOpenClip, folder / "out"); });
  EXPECT_NE(error.find("holds a text tower alone"), std::string::npos) << error;
}

TEST(Convert, CLIPsOwnTokenizerIsWrittenOutForHf) {
  const test::TemporaryFolder folder;
  // A model whose vocabulary is CLIP's and that brings no tokenizer files.
  ClipConfig config;
  config.text.width = config.text.mlp_width = config.text.projection_dim = 8;
  config.text.layers = 1;
  config.text.heads = 1;
  config.text.context_length = config.text.positions = 16;
  const std::vector<NamedTensor> tensors = to_file_tensors(
      text_tensor_names(config.text), initial_tensors(text_tensor_names(config.text), 8, 1, 1.0, 1),
      ModelFamily::kHf);
  write_safetensors(folder / "model.safetensors", tensors, {});
  write_file_atomic(folder / "config.json", R"({"model_type": "clip_text_model", "hidden_size": 8,
      "intermediate_size": 8, "projection_dim": 8, "num_hidden_layers": 1,
      "num_attention_heads": 1, "max_position_embeddings": 16})");
  convert(folder.path(), ModelFamily::kHf, folder / "out");
  const Tokenizer own = Tokenizer::built_in(TokenizerFamily::kHf);
  const Tokenizer written = Tokenizer::load(folder / "out", TokenizerFamily::kHf);
  EXPECT_TRUE(fs::exists(folder / "out" / "vocab.json"));
  EXPECT_EQ(written.vocabulary_size(), own.vocabulary_size());
  for (const char* text : {"a photo of a fox", "caf\u00e9 \u4e2d\u6587 \U0001F600 naïve's", ""}) {
    EXPECT_EQ(written.encode(text), own.encode(text)) << text;
  }
}

}  // namespace
}  // namespace paraclip
