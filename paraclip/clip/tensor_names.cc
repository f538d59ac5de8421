#include "paraclip/clip/tensor_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace paraclip {
namespace {

constexpr std::string_view kNesting = "text.";

// Collects the entries of one tower.
class Table {
 public:
  void add(const std::string& hf, const std::string& open_clip, std::vector<int64_t> shape,
           bool transposed = false) {
    entries_.push_back({hf, std::move(shape), {hf}, {open_clip}, transposed});
  }

  void add_linear(const std::string& hf, const std::string& open_clip, int64_t out, int64_t in) {
    add(hf + ".weight", open_clip + ".weight", {out, in});
    add(hf + ".bias", open_clip + ".bias", {out});
  }

  void add_norm(const std::string& hf, const std::string& open_clip, int64_t width) {
    add(hf + ".weight", open_clip + ".weight", {width});
    add(hf + ".bias", open_clip + ".bias", {width});
  }

  // One block of a transformer, the same in both towers.
  void add_block(const std::string& hf, const std::string& open_clip, int64_t width,
                 int64_t mlp_width) {
    add_norm(hf + "layer_norm1", open_clip + "ln_1", width);
    for (const std::string kind : {"weight", "bias"}) {
      std::vector<int64_t> shape = {3 * width};
      if (kind == "weight") shape.push_back(width);
      const std::string attention = hf + "self_attn.";
      entries_.push_back({attention + "qkv_proj." + kind,
                          std::move(shape),
                          {attention + "q_proj." + kind, attention + "k_proj." + kind,
                           attention + "v_proj." + kind},
                          {open_clip + "attn.in_proj_" + kind}});
    }
    add_linear(hf + "self_attn.out_proj", open_clip + "attn.out_proj", width, width);
    add_norm(hf + "layer_norm2", open_clip + "ln_2", width);
    add_linear(hf + "mlp.fc1", open_clip + "mlp.c_fc", mlp_width, width);
    add_linear(hf + "mlp.fc2", open_clip + "mlp.c_proj", width, mlp_width);
  }

  // RoBERTa's: open_clip's names, which are transformers', are ours too, but for the fused
  // projection.
  void add_roberta(const std::string& name, std::vector<int64_t> shape) {
    entries_.push_back({name, std::move(shape), {}, {name}});
  }

  void add_roberta_layer(const std::string& name, int64_t out, int64_t in) {
    add_roberta(name + ".weight", {out, in});
    add_roberta(name + ".bias", {out});
  }

  void add_roberta_norm(const std::string& name, int64_t width) {
    add_roberta(name + ".weight", {width});
    add_roberta(name + ".bias", {width});
  }

  void add_roberta_block(const std::string& name, int64_t width, int64_t mlp_width) {
    const std::string attention = name + "attention.self.";
    for (const std::string kind : {"weight", "bias"}) {
      std::vector<int64_t> shape = {3 * width};
      if (kind == "weight") shape.push_back(width);
      entries_.push_back(
          {attention + "qkv." + kind,
           std::move(shape),
           {},
           {attention + "query." + kind, attention + "key." + kind, attention + "value." + kind}});
    }
    add_roberta_layer(name + "attention.output.dense", width, width);
    add_roberta_norm(name + "attention.output.LayerNorm", width);
    add_roberta_layer(name + "intermediate.dense", mlp_width, width);
    add_roberta_layer(name + "output.dense", width, mlp_width);
    add_roberta_norm(name + "output.LayerNorm", width);
  }

  // The names of open_clip's CustomTextCLIP.
  void nest() {
    for (TensorName& entry : entries_) {
      if (entry.name == "logit_scale") continue;
      for (std::string& name : entry.open_clip) name.insert(0, kNesting);
    }
  }

  std::vector<TensorName> take() { return std::move(entries_); }

 private:
  std::vector<TensorName> entries_;
};

}  // namespace

std::vector<std::string> TensorName::names(ModelFamily family) const {
  return family == ModelFamily::kHf ? hf : open_clip;
}

namespace {

void add_clip_text(const TextConfig& config, Table& table) {
  const int64_t width = config.width;
  const std::string embeddings = "text_model.embeddings.";
  table.add(embeddings + "token_embedding.weight", "token_embedding.weight",
            {config.vocabulary_size, width});
  table.add(embeddings + "position_embedding.weight", "positional_embedding",
            {config.positions, width});
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    table.add_block(fmt::format("text_model.encoder.layers.{}.", layer),
                    fmt::format("transformer.resblocks.{}.", layer), width, config.mlp_width);
  }
  table.add_norm("text_model.final_layer_norm", "ln_final", width);
  table.add("text_projection.weight", "text_projection", {config.projection_dim, width},
            /*transposed=*/true);
}

void add_roberta_text(const TextConfig& config, Table& table) {
  const int64_t width = config.width;
  const std::string embeddings = "transformer.embeddings.";
  table.add_roberta(embeddings + "word_embeddings.weight", {config.vocabulary_size, width});
  table.add_roberta(embeddings + "position_embeddings.weight", {config.positions, width});
  table.add_roberta(embeddings + "token_type_embeddings.weight", {1, width});
  table.add_roberta_norm(embeddings + "LayerNorm", width);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    table.add_roberta_block(fmt::format("transformer.encoder.layer.{}.", layer), width,
                            config.mlp_width);
  }
  if (config.projection_hidden > 0) {
    table.add_roberta("proj.0.weight", {config.projection_hidden, width});
    table.add_roberta("proj.2.weight", {config.projection_dim, config.projection_hidden});
  } else {
    table.add_roberta("proj.weight", {config.projection_dim, width});
  }
}

}  // namespace

std::vector<TensorName> text_tensor_names(const TextConfig& config) {
  Table table;
  if (config.architecture == TextArchitecture::kClip) {
    add_clip_text(config, table);
  } else {
    add_roberta_text(config, table);
  }
  table.add("logit_scale", "logit_scale", {});
  if (config.nested) table.nest();
  return table.take();
}

std::vector<TensorName> vision_tensor_names(const VisionConfig& config) {
  const int64_t width = config.width;
  Table table;
  const std::string embeddings = "vision_model.embeddings.";
  table.add(embeddings + "class_embedding", "visual.class_embedding", {width});
  table.add(embeddings + "patch_embedding.weight", "visual.conv1.weight",
            {width, 3, config.patch_size, config.patch_size});
  table.add(embeddings + "position_embedding.weight", "visual.positional_embedding",
            {config.tokens(), width});
  table.add_norm("vision_model.pre_layrnorm", "visual.ln_pre", width);  // spelled so
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    table.add_block(fmt::format("vision_model.encoder.layers.{}.", layer),
                    fmt::format("visual.transformer.resblocks.{}.", layer), width,
                    config.mlp_width);
  }
  table.add_norm("vision_model.post_layernorm", "visual.ln_post", width);
  table.add("visual_projection.weight", "visual.proj", {config.projection_dim, width},
            /*transposed=*/true);
  return table.take();
}

bool is_legacy_buffer(std::string_view name) {
  constexpr std::string_view kBuffers[] = {
      "text_model.embeddings.position_ids",  // transformers before 4.31
      "vision_model.embeddings.position_ids",
      "transformer.embeddings.position_ids",  // the same, in RoBERTa
      "transformer.embeddings.token_type_ids",
      "attn_mask",  // open_clip before 2.24
      "input_resolution",
      "context_length",
      "vocab_size"};  // OpenAI's archives
  return std::find(std::begin(kBuffers), std::end(kBuffers), name) != std::end(kBuffers);
}

bool is_vision_tensor(std::string_view name, ModelFamily family) {
  if (is_legacy_buffer(name)) return false;
  if (family == ModelFamily::kOpenClip) {
    return name.starts_with("visual.") || name == "image_projection";  // the latter: LaCLIP's
  }
  return name.starts_with("vision_model.") || name.starts_with("visual_projection.");
}

}  // namespace paraclip
