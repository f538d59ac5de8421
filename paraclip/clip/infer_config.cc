// Reading the architecture off the shapes of weights that come without a configuration.

#include "paraclip/base/error.h"
#include "paraclip/clip/model_files.h"

#include <fmt/format.h>

#include <cmath>

namespace paraclip {
namespace {

constexpr int64_t kHeadWidth = 64;

// The names that tell the sizes, in one family's words.
struct Landmarks {
  const char* tokens;
  const char* positions;
  const char* block;  // With {} for the layer.
  const char* mlp_in;
  const char* patches;
  const char* patch_positions;
  const char* vision_block;
};

constexpr Landmarks kHf = {"text_model.embeddings.token_embedding.weight",
                           "text_model.embeddings.position_embedding.weight",
                           "text_model.encoder.layers.",
                           ".mlp.fc1.weight",
                           "vision_model.embeddings.patch_embedding.weight",
                           "vision_model.embeddings.position_embedding.weight",
                           "vision_model.encoder.layers."};
constexpr Landmarks kOpenClip = {"token_embedding.weight",       "positional_embedding",
                                 "transformer.resblocks.",       ".mlp.c_fc.weight",
                                 "visual.conv1.weight",          "visual.positional_embedding",
                                 "visual.transformer.resblocks."};
constexpr const char* kRobertaTokens = "transformer.embeddings.word_embeddings.weight";

// The shape of a tensor that must be there, of `rank` dimensions, none of them empty.
std::vector<int64_t> shape_of(const ModelWeights& weights, const std::string& name, size_t rank) {
  const TensorFile::Entry* entry = weights.entry(name);
  const bool fits = entry != nullptr && entry->shape.size() == rank &&
                    std::all_of(entry->shape.begin(), entry->shape.end(),
                                [](int64_t size) { return size > 0 && size <= int64_t{1} << 24; });
  if (fits) return entry->shape;
  fail(ErrorKind::kData, "{}: {} {}, expected the weights of a CLIP model", weights.path(), name,
       entry == nullptr ? "is missing"
                        : fmt::format("has the shape [{}]", fmt::join(entry->shape, ", ")));
}

int64_t count_layers(const ModelWeights& weights, const std::string& block,
                     const std::string& tensor) {
  int64_t layers = 0;
  while (weights.contains(fmt::format("{}{}{}", block, layers, tensor))) ++layers;
  return layers;
}

// Weights of other models that have CLIP's names in part.
void refuse_others(const ModelWeights& weights) {
  const auto any = [&](std::string_view prefix) {
    for (const std::string& name : weights.names()) {
      if (name.starts_with(prefix)) return true;
    }
    return false;
  };
  const char* name = nullptr;
  if (weights.contains("logit_bias")) name = "SigLIP's";
  if (any("text_decoder.")) name = "CoCa's";
  if (name == nullptr) return;
  fail(ErrorKind::kData,
       "{} holds weights of {} architecture, which is not supported; expected "
       "CLIP's",
       weights.path(), name);
}

int64_t vision_head_width(int64_t width) {
  if (width == 1280) return 80;
  if (width == 1408) return 88;
  return width == 1664 ? 104 : kHeadWidth;
}

VisionConfig infer_vision(const ModelWeights& weights, const Landmarks& names,
                          const ClipConfig& config) {
  VisionConfig vision;
  const std::vector<int64_t> patches = shape_of(weights, names.patches, 4);
  vision.width = patches[0];
  vision.patch_size = patches[2];
  vision.heads = std::max<int64_t>(1, vision.width / vision_head_width(vision.width));
  vision.layers = count_layers(weights, names.vision_block, names.mlp_in);
  vision.mlp_width =
      shape_of(weights, fmt::format("{}0{}", names.vision_block, names.mlp_in), 2)[0];
  const int64_t positions = shape_of(weights, names.patch_positions, 2)[0];
  const auto grid = std::lround(std::sqrt(static_cast<double>(positions - 1)));
  if (grid * grid + 1 != positions) {
    fail(ErrorKind::kData, "{}: {} has {} rows, expected one more than a square", weights.path(),
         names.patch_positions, positions);
  }
  vision.image_size = grid * vision.patch_size;
  vision.projection_dim = config.text.projection_dim;
  vision.activation = config.text.activation;
  return vision;
}

std::string name_image_tower(const ModelWeights& weights) {
  if (weights.contains("visual.conv1.weight")) return "a ResNet";
  const bool timm = weights.contains("visual.patch_embed.proj.weight") ||
                    weights.contains("visual.trunk.patch_embed.proj.weight");
  return timm ? "a ViT of timm's" : "of an unknown kind";
}

}  // namespace

void infer_roberta_sizes(const ModelWeights& weights, TextConfig& config) {
  const std::string blocks = "transformer.encoder.layer.";
  const std::string mlp_in = ".intermediate.dense.weight";
  const std::vector<int64_t> tokens = shape_of(weights, kRobertaTokens, 2);
  config.vocabulary_size = tokens[0];
  config.width = tokens[1];
  config.heads = std::max<int64_t>(1, config.width / kHeadWidth);
  config.positions = shape_of(weights, "transformer.embeddings.position_embeddings.weight", 2)[0];
  config.layers = count_layers(weights, blocks, mlp_in);
  config.mlp_width = shape_of(weights, fmt::format("{}0{}", blocks, mlp_in), 2)[0];
  const bool mlp = weights.contains("proj.0.weight");
  config.projection_hidden = mlp ? shape_of(weights, "proj.0.weight", 2)[0] : 0;
  config.projection_dim = shape_of(weights, mlp ? "proj.2.weight" : "proj.weight", 2)[0];
}

ClipConfig infer_config(const ModelWeights& weights, Activation activation) {
  refuse_others(weights);
  ClipConfig config;
  const bool hf = weights.contains(kHf.tokens);
  const Landmarks& names = hf ? kHf : kOpenClip;
  config.family = hf ? ModelFamily::kHf : ModelFamily::kOpenClip;
  TextConfig& text = config.text;
  text.pooling = Pooling::kHighestId;
  text.activation = activation;
  text.logit_scale_init = std::log(1 / 0.07);
  if (weights.contains(kRobertaTokens)) {
    text.architecture = TextArchitecture::kRoberta;
    text.pooling = Pooling::kMean;
    text.nested = true;
    infer_roberta_sizes(weights, text);
  } else {
    const std::vector<int64_t> tokens = shape_of(weights, names.tokens, 2);
    text.vocabulary_size = tokens[0];
    text.width = tokens[1];
    text.heads = std::max<int64_t>(1, text.width / kHeadWidth);
    text.positions = text.context_length = shape_of(weights, names.positions, 2)[0];
    text.layers = count_layers(weights, names.block, names.mlp_in);
    text.mlp_width = shape_of(weights, fmt::format("{}0{}", names.block, names.mlp_in), 2)[0];
    text.projection_dim = hf ? shape_of(weights, "text_projection.weight", 2)[0]
                             : shape_of(weights, "text_projection", 2)[1];
  }
  if (weights.contains(names.patches) && weights.contains(names.patch_positions)) {
    config.vision = infer_vision(weights, names, config);
  } else if (!hf) {
    config.other_vision = name_image_tower(weights);
  }
  if (text.architecture == TextArchitecture::kRoberta) text.activation = Activation::kGelu;
  check_sizes(config, weights.path());
  return config;
}

}  // namespace paraclip
