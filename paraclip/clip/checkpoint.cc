#include "paraclip/clip/checkpoint.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/ranges.h>

#include <cmath>
#include <functional>
#include <set>

namespace paraclip {
namespace {

// What does not fit, collected so that one message tells all of it.
struct Misfits {
  std::vector<std::string> missing, unexpected, misshapen;

  void raise_if_any(const ModelFiles& files) const {
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
         files.need_weights().path(), files.config_source, fmt::join(parts, "; "));
  }
};

bool is_floating(const std::string& dtype) {
  return dtype == "F32" || dtype == "F16" || dtype == "BF16" || dtype == "F64";
}

// The shape of each of the tensors that make up `entry` in a file.
std::vector<int64_t> file_shape(const TensorName& entry, ModelFamily family) {
  std::vector<int64_t> shape = entry.shape;
  if (family == ModelFamily::kOpenClip && entry.open_clip_transposed) std::swap(shape[0], shape[1]);
  const size_t parts = entry.names(family).size();
  if (parts > 1) shape[0] /= static_cast<int64_t>(parts);
  return shape;
}

bool fits(const TensorFile::Entry& found, const std::vector<int64_t>& shape) {
  const bool scalar = shape.empty() && found.shape == std::vector<int64_t>{1};
  return is_floating(found.dtype) && (found.shape == shape || scalar);
}

bool has_image_tower(const ClipConfig& config) {
  return config.vision || !config.other_vision.empty();
}

// Whether a tensor of the file is none of this tower's business.
using PassedOver = std::function<bool(const std::string& name)>;

Misfits find_misfits(const ModelFiles& files, const std::vector<TensorName>& entries,
                     const PassedOver& passed_over) {
  const ModelWeights& weights = files.need_weights();
  Misfits misfits;
  std::set<std::string> expected;
  const ModelFamily family = files.config.family;
  for (const TensorName& entry : entries) {
    const std::vector<int64_t> shape = file_shape(entry, family);
    for (const std::string& name : entry.names(family)) {
      expected.insert(canonical_name(name));
      const TensorFile::Entry* found = weights.entry(name);
      if (found == nullptr) {
        const bool optional = name == "logit_scale" && !has_image_tower(files.config);
        if (!optional) misfits.missing.push_back(name);
      } else if (!fits(*found, shape)) {
        misfits.misshapen.push_back(fmt::format("{} is {} [{}], expected floats [{}]", name,
                                                found->dtype, fmt::join(found->shape, ", "),
                                                fmt::join(shape, ", ")));
      }
    }
  }
  for (const std::string& name : weights.names()) {
    if (!expected.contains(name) && !is_legacy_buffer(name) && !passed_over(name)) {
      misfits.unexpected.push_back(name);
    }
  }
  return misfits;
}

void check_text(const ModelFiles& files) {
  const ClipConfig& config = files.config;
  find_misfits(files, text_tensor_names(config.text), [&](const std::string& name) {
    return has_image_tower(config) && is_vision_tensor(name, config.family);
  }).raise_if_any(files);
}

void check_vision(const ModelFiles& files) {
  find_misfits(files, vision_tensor_names(files.need_vision()), [&](const std::string& name) {
    return !is_vision_tensor(name, files.config.family);
  }).raise_if_any(files);
}

// The parts of a tensor in the file, joined; its shape is entry.shape.
at::Tensor join(const ModelFiles& files, const TensorName& entry) {
  const ModelFamily family = files.config.family;
  std::vector<at::Tensor> parts;
  for (const std::string& name : entry.names(family)) {
    parts.push_back(files.need_weights().contains(name)
                        ? files.need_weights().tensor(name)
                        : at::scalar_tensor(files.config.text.logit_scale_init));
  }
  at::Tensor joined = parts.size() == 1 ? parts[0] : at::cat(parts);
  if (family == ModelFamily::kOpenClip && entry.open_clip_transposed) joined = joined.t();
  return joined.reshape(entry.shape);
}

std::vector<NamedTensor> read_tensors(const ModelFiles& files,
                                      const std::vector<TensorName>& entries) {
  std::vector<NamedTensor> tensors;
  tensors.reserve(entries.size());
  for (const TensorName& entry : entries) {
    // A copy, so that nothing refers to the read-only pages of the mapping.
    const at::Tensor copy = at::empty(entry.shape, at::kFloat);
    copy.copy_(join(files, entry));
    tensors.emplace_back(entry.name, copy);
    // Otherwise the file would be in memory a second time when all of it is read.
    for (const std::string& name : entry.names(files.config.family)) {
      if (const auto* read = files.need_weights().entry(name)) read->release();
    }
  }
  return tensors;
}

}  // namespace

void check_tensors(const ModelFiles& files) {
  check_text(files);
  if (files.config.vision) check_vision(files);
}

std::vector<NamedTensor> read_text_tensors(const ModelFiles& files) {
  check_text(files);
  return read_tensors(files, text_tensor_names(files.config.text));
}

std::vector<NamedTensor> read_vision_tensors(const ModelFiles& files) {
  check_vision(files);
  return read_tensors(files, vision_tensor_names(files.need_vision()));
}

std::vector<NamedTensor> convert_tensors(const ModelFiles& files,
                                         const std::vector<TensorName>& entries,
                                         ModelFamily target) {
  std::vector<NamedTensor> tensors;
  for (const TensorName& entry : entries) tensors.emplace_back(entry.name, join(files, entry));
  return to_file_tensors(entries, tensors, target);
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

std::vector<NamedTensor> view_vision_tensors(const ModelFiles& files) {
  std::vector<NamedTensor> tensors;
  for (const std::string& name : files.need_weights().names()) {
    if (is_vision_tensor(name, files.config.family)) {
      tensors.emplace_back(name, files.need_weights().tensor(name));
    }
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
