#include "paraclip/clip/checkpoint.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/tensor_names.h"
#include "paraclip/io/safetensors.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <set>

namespace paraclip {
namespace {

// What does not fit, collected so that one message tells all of it.
struct Misfits {
  std::vector<std::string> missing, unexpected, misshapen;

  void raise_if_any(const std::filesystem::path& file) const {
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
    fail(ErrorKind::kData, "{} does not hold the tensors that its config.json calls for; {}",
         file.string(), fmt::join(parts, "; "));
  }
};

bool is_floating(const std::string& dtype) {
  return dtype == "F32" || dtype == "F16" || dtype == "BF16" || dtype == "F64";
}

// The shape of one of `parts` equal parts along the first dimension.
std::vector<int64_t> part_shape(const TensorName& entry) {
  std::vector<int64_t> shape = entry.shape;
  if (entry.hf.size() > 1) shape[0] /= static_cast<int64_t>(entry.hf.size());
  return shape;
}

bool fits(const SafetensorsFile& file, const std::string& name, const std::vector<int64_t>& shape) {
  const std::vector<int64_t>& found = file.shape(name);
  const bool scalar = shape.empty() && found == std::vector<int64_t>{1};
  return is_floating(file.dtype(name)) && (found == shape || scalar);
}

Misfits find_misfits(const SafetensorsFile& file, const ClipConfig& config,
                     const std::vector<TensorName>& entries) {
  Misfits misfits;
  std::set<std::string> expected;
  for (const TensorName& entry : entries) {
    const std::vector<int64_t> shape = part_shape(entry);
    for (const std::string& name : entry.hf) {
      expected.insert(name);
      if (!file.contains(name)) {
        const bool optional = name == "logit_scale" && !config.has_vision;
        if (!optional) misfits.missing.push_back(name);
      } else if (!fits(file, name, shape)) {
        misfits.misshapen.push_back(fmt::format("{} is {} [{}], expected floats [{}]", name,
                                                file.dtype(name), fmt::join(file.shape(name), ", "),
                                                fmt::join(shape, ", ")));
      }
    }
  }
  for (const std::string& name : file.names()) {
    const bool passed_over = config.has_vision ? is_passed_over(name) : is_legacy_buffer(name);
    if (!expected.contains(name) && !passed_over) misfits.unexpected.push_back(name);
  }
  return misfits;
}

}  // namespace

std::vector<NamedTensor> read_text_tensors(const std::filesystem::path& path,
                                           const ClipConfig& config) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const std::vector<TensorName> entries = text_tensor_names(config.text);
  find_misfits(file, config, entries).raise_if_any(path);
  std::vector<NamedTensor> tensors;
  tensors.reserve(entries.size());
  for (const TensorName& entry : entries) {
    std::vector<at::Tensor> parts;
    for (const std::string& name : entry.hf) {
      parts.push_back(file.contains(name) ? file.tensor(name)
                                          : at::scalar_tensor(config.text.logit_scale_init));
    }
    // cat() copies, so that nothing refers to the read-only pages of the mapping.
    const at::Tensor joined = parts.size() == 1
                                  ? parts[0].to(at::kFloat, /*non_blocking=*/false, /*copy=*/true)
                                  : at::cat(parts).to(at::kFloat);
    tensors.emplace_back(entry.name, joined.reshape(entry.shape).contiguous());
  }
  return tensors;
}

std::vector<NamedTensor> to_hf_tensors(const TextConfig& config,
                                       const std::vector<NamedTensor>& parameters) {
  std::vector<NamedTensor> tensors;
  const std::vector<TensorName> entries = text_tensor_names(config);
  for (size_t i = 0; i < entries.size(); ++i) {
    const at::Tensor whole = parameters[i].second.detach();
    if (entries[i].hf.size() == 1) {
      tensors.emplace_back(entries[i].hf[0], whole);
      continue;
    }
    const auto parts = whole.chunk(static_cast<int64_t>(entries[i].hf.size()));
    for (size_t part = 0; part < parts.size(); ++part) {
      tensors.emplace_back(entries[i].hf[part], parts[part]);
    }
  }
  return tensors;
}

std::vector<NamedTensor> read_vision_tensors(const std::filesystem::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::vector<NamedTensor> tensors;
  for (const std::string& name : file.names()) {
    if (is_passed_over(name) && !is_legacy_buffer(name)) {
      tensors.emplace_back(name, file.tensor(name));
    }
  }
  return tensors;
}

}  // namespace paraclip
