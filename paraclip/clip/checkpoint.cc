#include "paraclip/clip/checkpoint.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/io/safetensors.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/ranges.h>

#include <cmath>
#include <functional>
#include <set>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// What does not fit, collected so that one message tells all of it.
struct Misfits {
  std::vector<std::string> missing, unexpected, misshapen;

  void raise_if_any(const ModelFolder& folder) const {
    std::vector<std::string> parts;
    const auto add = [&](const char* what, const std::vector<std::string>& names) {
      if (!names.empty()) {
        parts.push_back(fmt::format("{} {}: {}", names.size(), what, fmt::join(names, ", ")));
      }
    };
    add("missing", missing);
    add("unexpected", unexpected);
    add("of another shape or type", misshapen);
    if (parts.empty()) return;
    fail(ErrorKind::kData, "{} does not hold the tensors that its {} calls for; {}",
         folder.weights.string(), config_file_name(folder.config.family), fmt::join(parts, "; "));
  }
};

bool is_floating(const std::string& dtype) {
  return dtype == "F32" || dtype == "F16" || dtype == "BF16" || dtype == "F64";
}

// The shape of each of the tensors that make up `entry` in a file.
std::vector<int64_t> file_shape(const TensorName& entry, ModelFamily family) {
  std::vector<int64_t> shape = entry.shape;
  if (family == ModelFamily::kOpenClip) {
    if (entry.open_clip_transposed) std::swap(shape[0], shape[1]);
  } else if (entry.hf.size() > 1) {
    shape[0] /= static_cast<int64_t>(entry.hf.size());
  }
  return shape;
}

bool fits(const SafetensorsFile& file, const std::string& name, const std::vector<int64_t>& shape) {
  const std::vector<int64_t>& found = file.shape(name);
  const bool scalar = shape.empty() && found == std::vector<int64_t>{1};
  return is_floating(file.dtype(name)) && (found == shape || scalar);
}

// Whether a tensor of the file is none of this tower's business.
using PassedOver = std::function<bool(const std::string& name)>;

Misfits find_misfits(const SafetensorsFile& file, const ModelFolder& folder,
                     const std::vector<TensorName>& entries, const PassedOver& passed_over) {
  Misfits misfits;
  std::set<std::string> expected;
  const ModelFamily family = folder.config.family;
  for (const TensorName& entry : entries) {
    const std::vector<int64_t> shape = file_shape(entry, family);
    for (const std::string& name : entry.names(family)) {
      expected.insert(name);
      if (!file.contains(name)) {
        const bool optional = name == "logit_scale" && !folder.config.vision;
        if (!optional) misfits.missing.push_back(name);
      } else if (!fits(file, name, shape)) {
        misfits.misshapen.push_back(fmt::format("{} is {} [{}], expected floats [{}]", name,
                                                file.dtype(name), fmt::join(file.shape(name), ", "),
                                                fmt::join(shape, ", ")));
      }
    }
  }
  for (const std::string& name : file.names()) {
    if (!expected.contains(name) && !is_legacy_buffer(name) && !passed_over(name)) {
      misfits.unexpected.push_back(name);
    }
  }
  return misfits;
}

// The weights of `folder`, or what to do about another form of them.
SafetensorsFile open_weights(const ModelFolder& folder) {
  if (fs::exists(folder.weights)) return SafetensorsFile::open(folder.weights);
  const std::string expected = folder.weights.filename().string();
  for (const char* pickle : {"pytorch_model.bin", "open_clip_pytorch_model.bin"}) {
    if (!fs::exists(folder.path / pickle)) continue;
    fail(ErrorKind::kData,
         "{} holds {}, expected {}; save it as safetensors (transformers: "
         "save_pretrained(..., safe_serialization=True))",
         folder.path.string(), pickle, expected);
  }
  if (fs::exists(folder.path / "model.safetensors.index.json")) {
    fail(ErrorKind::kData,
         "{} holds a checkpoint in several parts, expected one {}; save it with transformers' "
         "save_pretrained(..., max_shard_size=\"100GB\")",
         folder.path.string(), expected);
  }
  fail(ErrorKind::kIo, "{} holds no {}; expected the folder of a CLIP model", folder.path.string(),
       expected);
}

std::vector<NamedTensor> read_tensors(const ModelFolder& folder,
                                      const std::vector<TensorName>& entries,
                                      const PassedOver& passed_over) {
  const SafetensorsFile file = open_weights(folder);
  const ModelFamily family = folder.config.family;
  find_misfits(file, folder, entries, passed_over).raise_if_any(folder);
  std::vector<NamedTensor> tensors;
  tensors.reserve(entries.size());
  for (const TensorName& entry : entries) {
    std::vector<at::Tensor> parts;
    for (const std::string& name : entry.names(family)) {
      parts.push_back(file.contains(name) ? file.tensor(name)
                                          : at::scalar_tensor(folder.config.text.logit_scale_init));
    }
    // Both copy, so that nothing refers to the read-only pages of the mapping.
    at::Tensor joined = parts.size() == 1
                            ? parts[0].to(at::kFloat, /*non_blocking=*/false, /*copy=*/true)
                            : at::cat(parts).to(at::kFloat);
    if (family == ModelFamily::kOpenClip && entry.open_clip_transposed) joined = joined.t();
    tensors.emplace_back(entry.name, joined.reshape(entry.shape).contiguous());
  }
  return tensors;
}

}  // namespace

const char* config_file_name(ModelFamily family) {
  return family == ModelFamily::kHf ? "config.json" : "open_clip_config.json";
}

const char* weights_file_name(ModelFamily family) {
  return family == ModelFamily::kHf ? "model.safetensors" : "open_clip_model.safetensors";
}

ModelFolder ModelFolder::open(const fs::path& path) {
  if (!fs::is_directory(path)) {
    fail(ErrorKind::kIo, "cannot load the model {}: {}, expected a folder with {} and {}",
         path.string(), fs::exists(path) ? "it is a file" : "there is no such folder",
         config_file_name(ModelFamily::kHf), weights_file_name(ModelFamily::kHf));
  }
  for (const ModelFamily family : {ModelFamily::kHf, ModelFamily::kOpenClip}) {
    const fs::path file = path / config_file_name(family);
    if (!fs::exists(file)) continue;
    ModelFolder folder;
    folder.path = path;
    folder.config = family == ModelFamily::kHf
                        ? ClipConfig::parse_hf(read_json(file), file.string())
                        : ClipConfig::parse_open_clip(read_json(file), file.string());
    folder.weights = path / weights_file_name(family);
    return folder;
  }
  fail(ErrorKind::kIo, "{} holds neither {} nor {}; expected the folder of a CLIP model",
       path.string(), config_file_name(ModelFamily::kHf), config_file_name(ModelFamily::kOpenClip));
}

std::vector<NamedTensor> read_text_tensors(const ModelFolder& folder) {
  return read_tensors(folder, text_tensor_names(folder.config.text), [&](const std::string& name) {
    return folder.config.vision && is_vision_tensor(name, folder.config.family);
  });
}

std::vector<NamedTensor> read_vision_tensors(const ModelFolder& folder) {
  if (!folder.config.vision) {
    fail(ErrorKind::kData,
         "{} holds a text tower alone, expected a CLIP model with its image tower",
         folder.path.string());
  }
  return read_tensors(
      folder, vision_tensor_names(*folder.config.vision),
      [&](const std::string& name) { return !is_vision_tensor(name, folder.config.family); });
}

std::vector<NamedTensor> to_file_tensors(const std::vector<TensorName>& entries,
                                         const std::vector<NamedTensor>& tensors,
                                         ModelFamily family) {
  std::vector<NamedTensor> result;
  for (size_t i = 0; i < entries.size(); ++i) {
    const at::Tensor whole = tensors[i].second.detach();
    const std::vector<std::string> names = entries[i].names(family);
    if (names.size() == 1) {
      const bool transposed = family == ModelFamily::kOpenClip && entries[i].open_clip_transposed;
      result.emplace_back(names[0], transposed ? whole.t().contiguous() : whole);
      continue;
    }
    const auto parts = whole.chunk(static_cast<int64_t>(names.size()));
    for (size_t part = 0; part < parts.size(); ++part) {
      result.emplace_back(names[part], parts[part]);
    }
  }
  return result;
}

std::vector<NamedTensor> view_vision_tensors(const ModelFolder& folder) {
  const SafetensorsFile file = open_weights(folder);
  std::vector<NamedTensor> tensors;
  for (const std::string& name : file.names()) {
    if (is_vision_tensor(name, folder.config.family)) tensors.emplace_back(name, file.tensor(name));
  }
  return tensors;
}

std::vector<NamedTensor> initial_tensors(const std::vector<TensorName>& entries, int64_t width,
                                         int64_t layers, double logit_scale, uint64_t seed) {
  const double by_width = 1 / std::sqrt(static_cast<double>(width));
  const double by_depth = by_width / std::sqrt(2.0 * static_cast<double>(layers));
  const auto deviation = [&](const std::string& name) {
    if (name.ends_with("token_embedding.weight")) return 0.02;
    if (name.starts_with("text_model.embeddings.position")) return 0.01;
    if (name.ends_with("out_proj.weight") || name.ends_with("fc2.weight")) return by_depth;
    if (name.ends_with("fc1.weight")) return by_width / std::sqrt(2.0);
    return by_width;
  };
  at::Generator generator = at::detail::createCPUGenerator(seed);
  std::vector<NamedTensor> tensors;
  for (const TensorName& entry : entries) {
    const bool vector = entry.shape.size() == 1 && !entry.name.ends_with("class_embedding");
    at::Tensor value;
    if (entry.name == "logit_scale") {
      value = at::scalar_tensor(logit_scale, at::kFloat);
    } else if (vector) {
      value = entry.name.ends_with("bias") ? at::zeros(entry.shape) : at::ones(entry.shape);
    } else if (entry.name.ends_with("patch_embedding.weight")) {
      const double inputs = static_cast<double>(entry.shape[1] * entry.shape[2] * entry.shape[3]);
      value = at::randn(entry.shape, generator) / std::sqrt(inputs);
    } else {
      value = at::randn(entry.shape, generator) * deviation(entry.name);
    }
    tensors.emplace_back(entry.name, value);
  }
  return tensors;
}

std::string fingerprint_of(const std::vector<NamedTensor>& tensors, const std::string& salt) {
  uint64_t hash = hash64(salt);
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor flat = tensor.detach().contiguous();
    hash = hash64({static_cast<const char*>(flat.const_data_ptr()), flat.nbytes()},
                  hash64(name, hash));
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace paraclip
