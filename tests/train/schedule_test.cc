#include "paraclip/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace paraclip {
namespace {

TEST(CosineLearningRate, WarmsUpLinearlyThenFallsAsHalfACosine) {
  EXPECT_DOUBLE_EQ(cosine_learning_rate(0, 1.0, 4, 12), 0.25);
  EXPECT_DOUBLE_EQ(cosine_learning_rate(3, 1.0, 4, 12), 1.0);
  EXPECT_DOUBLE_EQ(cosine_learning_rate(4, 1.0, 4, 12), 1.0);
  EXPECT_NEAR(cosine_learning_rate(8, 1.0, 4, 12), 0.5, 1e-15);
  EXPECT_NEAR(cosine_learning_rate(11, 1.0, 4, 12), 0.0380602337443566, 1e-12);
  EXPECT_NEAR(cosine_learning_rate(6, 3e-4, 0, 12), 1.5e-4, 1e-15);
}

TEST(LayerDecay, FallsFromTheTopToTheEmbeddings) {
  const auto factor = [](const char* name) { return layer_decay_factor(name, 12, 0.5); };
  EXPECT_EQ(factor("logit_scale"), 1);
  EXPECT_EQ(factor("text_projection.weight"), 1);
  EXPECT_EQ(factor("text_model.final_layer_norm.bias"), 1);
  EXPECT_EQ(factor("text_model.encoder.layers.11.mlp.fc1.weight"), 0.5);
  EXPECT_EQ(factor("text_model.encoder.layers.2.self_attn.qkv_proj.weight.lora_a"),
            std::pow(0.5, 10));
  EXPECT_EQ(factor("transformer.encoder.layer.10.output.dense.weight"), 0.25);  // RoBERTa's
  EXPECT_EQ(factor("text_model.embeddings.token_embedding.weight"), std::pow(0.5, 13));
  EXPECT_EQ(layer_decay_factor("text_model.embeddings.token_embedding.weight", 12, 1.0), 1);
}

}  // namespace
}  // namespace paraclip
