#include "bench/products.h"

#include "paraclip/base/error.h"
#include "paraclip/nn/linear.h"
#include "paraclip/nn/parallel.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <chrono>

namespace paraclip::bench {
namespace {

constexpr int64_t kRowsATask = 112;
constexpr int64_t kPanelsATask = 4;

template <class Body>
double seconds_of(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// a b of packed factors, in tasks of some rows.
void multiply(const at::Tensor& a, bool a_transposed, const PackedFactor& b,
              const at::Tensor& result) {
  const int64_t rows = result.size(0);
  parallel_tasks((rows + kRowsATask - 1) / kRowsATask, [&](int64_t task) {
    const int64_t begin = task * kRowsATask;
    Gemm product;
    product.a = static_cast<const std::byte*>(a.const_data_ptr()) +
                begin * (a_transposed ? 1 : a.size(1)) * a.element_size();
    product.a_stride = a.size(1);
    product.a_transposed = a_transposed;
    product.rows = std::min(kRowsATask, rows - begin);
    product.b = &b;
    product.result =
        static_cast<std::byte*>(result.data_ptr()) + begin * result.size(1) * result.element_size();
    product.result_stride = result.size(1);
    product.result_type =
        result.scalar_type() == at::kFloat ? NumberType::kFloat32 : NumberType::kBfloat16;
    gemm(product);
  });
}

template <class Pack>
void pack(PackedFactor& factor, NumberType type, int64_t depth, int64_t columns,
          const Pack& pack_panels) {
  factor.resize(type, depth, columns);
  const int64_t panels = factor.panels();
  parallel_tasks((panels + kPanelsATask - 1) / kPanelsATask, [&](int64_t task) {
    pack_panels(task * kPanelsATask, std::min(panels, (task + 1) * kPanelsATask));
  });
}

}  // namespace

LayerProducts::LayerProducts(const Layer& layer, int64_t tokens, bool bfloat16, ProductKind kind)
    : layer_(layer), kind_(kind), type_(bfloat16 ? NumberType::kBfloat16 : NumberType::kFloat32) {
  const auto options = at::TensorOptions(bfloat16 ? at::kBFloat16 : at::kFloat);
  input_ = at::randn({tokens, layer.in}, options);
  gradient_ = at::randn({tokens, layer.out}, options);
  weight_ = at::randn({layer.out, layer.in}, options);
  bias_ = at::randn({layer.out}, options);
  if (kind == ProductKind::kOneDnn) transposed_weight_ = weight_.t().contiguous();
  if (kind != ProductKind::kOwn) return;
  const at::Tensor weight = weight_.to(at::kFloat);
  const float* values = weight.const_data_ptr<float>();
  pack(forward_, type_, layer.in, layer.out,
       [&](int64_t begin, int64_t end) { forward_.pack_transposed(values, layer.in, begin, end); });
  pack(backward_, type_, layer.out, layer.in,
       [&](int64_t begin, int64_t end) { backward_.pack(values, layer.in, begin, end); });
  output_ = at::empty_like(gradient_);
  input_gradient_ = at::empty_like(input_);
  weight_gradient_ = at::empty({layer.out, layer.in}, at::kFloat);
}

void LayerProducts::forward() {
  if (kind_ == ProductKind::kOwn) multiply(input_, false, forward_, output_);
  if (kind_ == ProductKind::kOneDnn) output_ = linear_layer(input_, weight_, bias_);
  if (kind_ == ProductKind::kLibtorch) output_ = at::linear(input_, weight_, bias_);
}

void LayerProducts::input_gradient() {
  if (kind_ == ProductKind::kOwn) multiply(gradient_, false, backward_, input_gradient_);
  if (kind_ == ProductKind::kOneDnn) input_gradient_ = linear_layer(gradient_, transposed_weight_);
  if (kind_ == ProductKind::kLibtorch) input_gradient_ = at::mm(gradient_, weight_);
}

void LayerProducts::weight_gradient() {
  if (kind_ == ProductKind::kOneDnn) weight_gradient_ = linear_layer(gradient_.t(), input_.t());
  if (kind_ == ProductKind::kLibtorch) weight_gradient_ = at::mm(gradient_.t(), input_);
  if (kind_ != ProductKind::kOwn) return;
  pack(right_, type_, input_.size(0), layer_.in, [&](int64_t begin, int64_t end) {
    if (type_ == NumberType::kFloat32) {
      right_.pack(input_.const_data_ptr<float>(), layer_.in, begin, end);
    } else {
      right_.pack(static_cast<const Bfloat16*>(input_.const_data_ptr()), layer_.in, begin, end);
    }
  });
  multiply(gradient_, true, right_, weight_gradient_);
}

std::array<Layer, 4> block_layers(const TextConfig& config) {
  return {{{"qkv", config.width, 3 * config.width},
           {"out", config.width, config.width},
           {"fc1", config.width, config.mlp_width},
           {"fc2", config.mlp_width, config.width}}};
}

double needed_flops(const TextConfig& config, const std::vector<int64_t>& lengths) {
  const auto width = static_cast<double>(config.width);
  const double mlp = 2.0 * width * static_cast<double>(config.mlp_width);
  const double keys_and_values = 2.0 * width * width;
  const double query_and_output = 2.0 * width * width;
  double weights = 0;
  for (const int64_t length : lengths) {
    const auto tokens = static_cast<double>(length);
    const double whole_layers = static_cast<double>(config.layers - 1);
    weights +=
        tokens * (whole_layers * (keys_and_values + query_and_output + mlp) + keys_and_values);
    weights += query_and_output + mlp + width * static_cast<double>(config.projection_dim);
  }
  constexpr double kProducts = 3;
  constexpr double kMultiplyAndAdd = 2;
  return kProducts * kMultiplyAndAdd * weights;
}

ProductKind parse_product_kind(const std::string& name) {
  if (name == "libtorch") return ProductKind::kLibtorch;
  if (name == "onednn") return ProductKind::kOneDnn;
  if (name == "own") return ProductKind::kOwn;
  fail(ErrorKind::kUsage, "products of kind '{}': there are libtorch, onednn and own", name);
}

Json time_products(const TextConfig& config, int64_t tokens, bool bfloat16, ProductKind kind,
                   int64_t repeats) {
  using Product = void (LayerProducts::*)();
  constexpr std::pair<const char*, Product> kProducts[] = {
      {"forward", &LayerProducts::forward},
      {"input gradient", &LayerProducts::input_gradient},
      {"weight gradient", &LayerProducts::weight_gradient}};
  Json result = Json::array();
  for (const Layer& layer : block_layers(config)) {
    LayerProducts products(layer, tokens, bfloat16, kind);
    for (const auto& [name, product] : kProducts) {
      (products.*product)();  // Sets up the libraries.
      Json entry = Json::object();
      entry["name"] = fmt::format("{}, {}", layer.name, name);
      entry["flops"] = 2.0 * static_cast<double>(tokens * layer.in * layer.out);
      entry["seconds"] = Json::array();
      for (int64_t i = 0; i < repeats; ++i) {
        entry["seconds"].push_back(seconds_of([&] { (products.*product)(); }));
      }
      result.push_back(entry);
    }
  }
  return result;
}

}  // namespace paraclip::bench
