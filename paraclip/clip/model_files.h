#pragma once

#include "paraclip/clip/config.h"
#include "paraclip/io/tensor_file.h"

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// Where a model is loaded from.
struct ModelSource {
  std::filesystem::path path;  ///< A folder of one of the two families, or a file of weights.
  std::optional<Activation> activation;  ///< For weights that come without a configuration.

  // NOLINTNEXTLINE(google-explicit-constructor): a path is a source.
  ModelSource(std::filesystem::path source, std::optional<Activation> given = std::nullopt)
      : path(std::move(source)), activation(given) {}
};

/// The name that a tensor has without what wrappers put before it: `module.` of
/// DistributedDataParallel, `_orig_mod.` of torch.compile, `text.` of open_clip's CustomTextCLIP.
std::string canonical_name(std::string_view name);

/// The weights of a model under canonical names, whatever the file's format.
class ModelWeights {
 public:
  /// Throws kData if two tensors have one canonical name.
  explicit ModelWeights(TensorFile file);

  const TensorFile& file() const { return file_; }
  std::string path() const { return file_.path().string(); }

  /// The canonical names, sorted.
  std::vector<std::string> names() const;

  bool contains(std::string_view name) const { return entry(name) != nullptr; }

  /// What the tensor is. `name` need not be canonical. Null if there is none.
  const TensorFile::Entry* entry(std::string_view name) const;

  /// The tensor, as TensorFile::tensor() gives it. Throws kData.
  at::Tensor tensor(std::string_view name) const;

 private:
  TensorFile file_;
  std::map<std::string, std::string> stored_;  // Canonical names to the file's.
};

/// What stands for the name of a configuration file where there is none.
inline constexpr std::string_view kOwnShapes = "own shapes";

/// A CLIP model as it lies on the disk.
struct ModelFiles {
  std::filesystem::path path;    ///< What was opened.
  std::filesystem::path folder;  ///< Where its tokenizer and preprocessing files stand.
  ClipConfig config;
  std::string config_source;            ///< The name of the configuration file, or kOwnShapes.
  std::optional<ModelWeights> weights;  ///< None in a folder that has only a configuration.

  /// Opens a folder of HF's or open_clip's form (of both: the one whose weights are there, HF's
  /// first), or a file of weights. A file takes the configuration that stands beside it if that
  /// fits its names; otherwise architecture and sizes are read off its tensors and the activation
  /// must be given, but for OpenAI's archives, which are all quick_gelu.
  ///
  /// Throws kIo, kData: no such path, no configuration, an architecture that is not supported (by
  /// its name); kUsage: an activation that is missing, or another than the configuration's.
  static ModelFiles open(const ModelSource& source);

  /// Whether the configuration was read off the weights, for want of a file.
  bool inferred() const { return config_source == kOwnShapes; }

  /// The weights. Throws kIo where there are none.
  const ModelWeights& need_weights() const;

  /// Whether the image tower can be computed; throws kData, saying what it is instead, if not.
  const VisionConfig& need_vision() const;
};

/// The name of the configuration and of the weights in folders of `family`.
const char* config_file_name(ModelFamily family);
const char* weights_file_name(ModelFamily family);

/// The configuration of a model of which nothing but the weights is there, of CLIP's towers or
/// RoBERTa's. Heads are 64 wide, but in the image towers of width 1280, 1408 and 1664 (H, g and
/// bigG: 80, 88 and 104). Throws kData for weights of another architecture, by its name.
ClipConfig infer_config(const ModelWeights& weights, Activation activation);

/// Takes the sizes of a RoBERTa text tower from its tensors: open_clip's configuration has only its
/// name.
void infer_roberta_sizes(const ModelWeights& weights, TextConfig& config);

}  // namespace paraclip
