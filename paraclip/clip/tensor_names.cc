#include "paraclip/clip/tensor_names.h"

#include <fmt/format.h>

namespace paraclip {

std::vector<TensorName> text_tensor_names(const TextConfig& config) {
  const int64_t width = config.width;
  std::vector<TensorName> names;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    names.push_back({name, std::move(shape), {name}});
  };
  const auto add_linear = [&](const std::string& name, int64_t out, int64_t in) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".weight", {width});
    add(name + ".bias", {width});
  };
  add("text_model.embeddings.token_embedding.weight", {config.vocabulary_size, width});
  add("text_model.embeddings.position_embedding.weight", {config.context_length, width});
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string block = fmt::format("text_model.encoder.layers.{}.", layer);
    add_norm(block + "layer_norm1");
    const std::string attention = block + "self_attn.";
    for (const char* kind : {".weight", ".bias"}) {
      std::vector<int64_t> shape = {3 * width};
      if (std::string_view(kind) == ".weight") shape.push_back(width);
      names.push_back({attention + "qkv_proj" + kind,
                       std::move(shape),
                       {attention + "q_proj" + kind, attention + "k_proj" + kind,
                        attention + "v_proj" + kind}});
    }
    add_linear(attention + "out_proj", width, width);
    add_norm(block + "layer_norm2");
    add_linear(block + "mlp.fc1", config.mlp_width, width);
    add_linear(block + "mlp.fc2", width, config.mlp_width);
  }
  add_norm("text_model.final_layer_norm");
  add("text_projection.weight", {config.projection_dim, width});
  add("logit_scale", {});
  return names;
}

bool is_legacy_buffer(std::string_view hf_name) {
  return hf_name == "text_model.embeddings.position_ids" ||
         hf_name == "vision_model.embeddings.position_ids";
}

bool is_passed_over(std::string_view hf_name) {
  return hf_name.starts_with("vision_model.") || hf_name.starts_with("visual_projection.") ||
         is_legacy_buffer(hf_name);
}

}  // namespace paraclip
