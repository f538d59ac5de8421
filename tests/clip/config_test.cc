#include "paraclip/clip/config.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/config_json.h"
#include "paraclip/clip/model_card.h"

#include <gtest/gtest.h>

#include <tuple>

namespace paraclip {
namespace {

ClipConfig parse(const char* text) {
  return ClipConfig::parse_hf(parse_json(text, "test"), "config.json");
}

std::string error_of(const char* text) {
  try {
    parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
  return "no error";
}

TEST(ClipConfig, MissingKeysMeanTheDefaultsOfTransformers) {
  const ClipConfig config = parse(R"({"model_type": "clip"})");
  EXPECT_TRUE(config.vision);
  EXPECT_EQ(config.text.width, 512);
  EXPECT_EQ(config.text.mlp_width, 2048);
  EXPECT_EQ(config.text.layers, 12);
  EXPECT_EQ(config.text.heads, 8);
  EXPECT_EQ(config.text.context_length, 77);
  EXPECT_EQ(config.text.vocabulary_size, 49408);
  EXPECT_EQ(config.text.projection_dim, 512);
  EXPECT_EQ(config.text.activation, Activation::kQuickGelu);
  EXPECT_EQ(config.text.pooling, Pooling::kEndToken);
  EXPECT_DOUBLE_EQ(config.text.logit_scale_init, 2.6592);
}

TEST(ClipConfig, TextConfigDictTakesThePlaceOfTextConfig) {
  const ClipConfig config = parse(R"({"model_type": "clip",
      "text_config": {"hidden_size": 768, "num_hidden_layers": 3},
      "text_config_dict": {"hidden_size": 640, "num_attention_heads": 10}})");
  EXPECT_EQ(config.text.width, 640);
  EXPECT_EQ(config.text.layers, 12);  // transformers fills the dict with its defaults first
  EXPECT_EQ(parse(R"({"model_type": "clip", "text_config": {"hidden_size": 768},
                      "text_config_dict": null})")
                .text.width,
            768);
}

TEST(ClipConfig, EndTokenTwoMeansPoolingAtTheHighestId) {
  EXPECT_EQ(parse(R"({"model_type": "clip_text_model", "eos_token_id": 2})").text.pooling,
            Pooling::kHighestId);
  EXPECT_EQ(parse(R"({"model_type": "clip_text_model", "eos_token_id": 49407})").text.pooling,
            Pooling::kEndToken);
}

TEST(ClipConfig, ProjectionOfAFullModelIsTheTopLevelOne) {
  const ClipConfig config = parse(R"({"model_type": "clip", "projection_dim": 256,
                                      "text_config": {"projection_dim": 128}})");
  EXPECT_EQ(config.text.projection_dim, 256);
}

TEST(ClipConfig, ErrorsNameTheKeyAndTheValue) {
  EXPECT_NE(error_of(R"({"model_type": "siglip"})")
                .find("SigLIP (model_type \"siglip\"), which is not supported"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"hidden_size": 3})").find("\"model_type\" is missing"), std::string::npos);
  EXPECT_NE(error_of(R"({"model_type": "clip_text_model", "hidden_act": "relu"})").find("relu"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"model_type": "clip_text_model", "hidden_size": -1})").find("-1"),
            std::string::npos);
  EXPECT_NE(
      error_of(R"({"model_type": "clip_text_model", "hidden_size": "x"})").find("a 64-bit integer"),
      std::string::npos);
  EXPECT_NE(error_of(R"({"model_type": "clip_text_model", "hidden_size": 30})").find("multiple"),
            std::string::npos);
}

TEST(ClipConfig, TextOnlyJsonDescribesTheSameTower) {
  const ClipConfig full = parse(R"({"model_type": "clip", "projection_dim": 64, "text_config":
      {"hidden_size": 32, "num_attention_heads": 4, "hidden_act": "gelu", "eos_token_id": 2}})");
  const ClipConfig text = ClipConfig::parse_hf(
      hf_text_config_json(full, {.start = 0, .end = full.text.end_token}), "config.json");
  EXPECT_FALSE(text.vision);
  EXPECT_EQ(text.text.width, 32);
  EXPECT_EQ(text.text.projection_dim, 64);
  EXPECT_EQ(text.text.activation, Activation::kGelu);
  EXPECT_EQ(text.text.pooling, Pooling::kHighestId);
}

// open_clip's ViT-H-14 and bigG-14, whose heads are not 64 wide and whose MLP is not 4 times.
TEST(ClipConfig, BothFormsSayTheSameOfEveryWidth) {
  for (const auto& [width, heads, mlp] : {std::tuple(768, 12, 3072), std::tuple(1280, 16, 5120),
                                          std::tuple(1408, 16, 6144), std::tuple(1664, 16, 8192)}) {
    ClipConfig config;
    config.vision = VisionConfig();
    config.vision->width = width;
    config.vision->heads = heads;
    config.vision->mlp_width = mlp;
    const ClipConfig open_clip = ClipConfig::parse_open_clip(
        open_clip_config_json(config, SpecialTokens(), Preprocessing()), "test");
    const ClipConfig hf = ClipConfig::parse_hf(hf_config_json(config, SpecialTokens()), "test");
    for (const ClipConfig* read : {&open_clip, &hf}) {
      ASSERT_TRUE(read->vision);
      EXPECT_EQ(read->vision->width, width);
      EXPECT_EQ(read->vision->heads, heads);
      EXPECT_EQ(read->vision->mlp_width, mlp);
      EXPECT_EQ(read->vision->activation, Activation::kQuickGelu);
    }
  }
}

TEST(ModelCard, ABarOrALineBreakDoesNotEndACell) {
  ModelCard card;
  card.tables.push_back({"Training", {"option", "value"}, {{"a|b", "c\nd"}}});
  const std::string text = card.to_markdown();
  EXPECT_NE(text.find("| a\\|b | c d |\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace paraclip
