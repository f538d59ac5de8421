// The kernels beside libtorch's own operators on the same numbers, by Google Benchmark. Names are
// WHAT/WHO; bench/report.py puts those that differ in WHO into one row. Sizes are those of
// ViT-B/32's text tower and a step of 256 triples of 12-token texts.

#include "bench/products.h"
#include "paraclip/clip/text_tower.h"
#include "paraclip/nn/packed_attention.h"
#include "paraclip/nn/parallel.h"
#include "paraclip/train/losses.h"
#include "paraclip/train/optimizer.h"

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <functional>
#include <memory>

namespace paraclip::bench {
namespace {

constexpr int64_t kTexts = 768, kLength = 12, kTokens = kTexts * kLength;
constexpr int64_t kHeads = 8, kWidth = 512;
constexpr double kEps = 1e-5;
constexpr int64_t kLossBatch = 4096;
constexpr int64_t kParameters = 1 << 23;

/// What is measured: made when its turn comes, and called again and again.
using Make = std::function<std::function<void()>()>;

void add(const std::string& what, const std::string& who, const Make& make) {
  benchmark::RegisterBenchmark((what + "/" + who).c_str(),
                               [make](benchmark::State& state) {
                                 const std::function<void()> body = make();
                                 body();
                                 for (auto _ : state) body();
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

void add_products(bool bfloat16) {
  const char* const type = bfloat16 ? "bf16" : "fp32";
  using Product = void (LayerProducts::*)();
  constexpr std::pair<const char*, Product> kProducts[] = {
      {"forward", &LayerProducts::forward},
      {"input gradient", &LayerProducts::input_gradient},
      {"weight gradient", &LayerProducts::weight_gradient}};
  for (const Layer& layer : block_layers(TextConfig())) {
    for (const auto& [name, product] : kProducts) {
      const auto make = [layer, product = product, bfloat16](ProductKind kind) -> Make {
        return [=] {
          auto products = std::make_shared<LayerProducts>(layer, kTokens, bfloat16, kind);
          return [=] { ((*products).*product)(); };
        };
      };
      const std::string what = fmt::format("{} {}, {}", layer.name, name, type);
      add(what, "paraclip", make(ProductKind::kOwn));
      add(what, "libtorch", make(ProductKind::kLibtorch));
      if (!bfloat16) add(what, "libtorch's oneDNN", make(ProductKind::kOneDnn));
    }
  }
}

/// paraclip's attention kernels over packed texts.
struct Attention {
  explicit Attention(bool bfloat16) {
    const at::TensorOptions options(bfloat16 ? at::kBFloat16 : at::kFloat);
    qkv = at::randn({kTokens, 3 * kWidth}, options);
    out = at::empty({kTokens, kWidth}, options);
    out_gradient = at::randn({kTokens, kWidth}, options);
    qkv_gradient = at::empty_like(qkv);
    for (int64_t i = 0; i < kTokens; ++i) depths.push_back(static_cast<int32_t>(i % kLength));
    call.qkv = static_cast<const std::byte*>(qkv.const_data_ptr());
    call.out = static_cast<std::byte*>(out.data_ptr());
    call.out_gradient = static_cast<const std::byte*>(out_gradient.const_data_ptr());
    call.qkv_gradient = static_cast<std::byte*>(qkv_gradient.data_ptr());
    call.qkv_stride = call.qkv_gradient_stride = 3 * kWidth;
    call.out_stride = call.out_gradient_stride = kWidth;
    call.depths = depths.data();
    call.end = kTokens;
    call.width = kWidth;
    call.head_width = kWidth / kHeads;
    call.max_depth = kLength;
    call.causal = true;
    call.bfloat16 = bfloat16;
  }

  at::Tensor qkv, out, out_gradient, qkv_gradient;
  std::vector<int32_t> depths;
  kernels::AttentionCall call = {};
};

void add_attention(bool bfloat16) {
  const char* const type = bfloat16 ? "bf16" : "fp32";
  const auto own = [bfloat16](auto which) -> Make {
    return [=] {
      auto attention = std::make_shared<Attention>(bfloat16);
      return [=] { for_each_head(attention->call, kHeads, kernels::active().*which); };
    };
  };
  // Texts of one length, so that libtorch computes no padding either.
  const auto theirs = [bfloat16](bool backward) -> Make {
    return [=] {
      const at::Tensor qkv = at::randn({kTexts, kLength, 3, kHeads, kWidth / kHeads},
                                       bfloat16 ? at::kBFloat16 : at::kFloat)
                                 .permute({2, 0, 3, 1, 4});
      const auto attend = [=] {
        return at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], {}, /*dropout_p=*/0,
                                                /*is_causal=*/true);
      };
      if (!backward) return std::function<void()>([=] { attend(); });
      qkv.requires_grad_(true);
      const at::Tensor out = attend();
      const at::Tensor gradient = at::randn_like(out);
      return std::function<void()>(
          [=] { torch::autograd::grad({out}, {qkv}, {gradient}, /*retain_graph=*/true); });
    };
  };
  const std::string name = fmt::format("attention forward, {}", type);
  add(name, "paraclip", own(&kernels::Kernels::attention));
  add(name, "libtorch", theirs(/*backward=*/false));
  const std::string gradient = fmt::format("attention gradient, {}", type);
  add(gradient, "paraclip", own(&kernels::Kernels::attention_gradient));
  add(gradient, "libtorch", theirs(/*backward=*/true));
}

void add_norm() {
  const auto operands = [] {
    return std::array{at::randn({kTokens, kWidth}), at::randn({kWidth}), at::randn({kWidth}),
                      at::empty({kTokens, kWidth})};
  };
  add("layer norm, fp32", "paraclip", [=] {
    return [tensors = operands()] {
      const auto& [x, weight, bias, y] = tensors;
      constexpr int64_t kRows = 64;
      parallel_tasks(
          kTokens / kRows, [&, y = y, x = x, weight = weight, bias = bias](int64_t task) {
            kernels::NormCall call = {};
            call.x = x.const_data_ptr<float>() + task * kRows * kWidth;
            call.y = reinterpret_cast<std::byte*>(y.data_ptr<float>() + task * kRows * kWidth);
            call.x_stride = call.y_stride = call.width = kWidth;
            call.rows = kRows;
            call.weight = weight.const_data_ptr<float>();
            call.bias = bias.const_data_ptr<float>();
            call.eps = kEps;
            kernels::active().norm(call);
          });
    };
  });
  add("layer norm, fp32", "libtorch", [=] {
    return [tensors = operands()] {
      at::layer_norm(tensors[0], {kWidth}, tensors[1], tensors[2], kEps);
    };
  });
}

std::array<at::Tensor, 2> unit_rows() {
  std::array<at::Tensor, 2> sides;
  for (at::Tensor& side : sides) {
    side = normalize_rows(at::randn({kLossBatch, kWidth})).requires_grad_(true);
  }
  return sides;
}

void add_loss() {
  const std::string what = fmt::format("InfoNCE of {}, with gradients", kLossBatch);
  const at::Tensor scale = at::scalar_tensor(2.6592F).requires_grad_(true);
  const auto differentiate = [scale](const at::Tensor& loss,
                                     const std::array<at::Tensor, 2>& sides) {
    torch::autograd::grad({loss}, {sides[0], sides[1], scale});
  };
  add(what, "paraclip", [=] {
    return [=, sides = unit_rows()] { differentiate(info_nce(sides[0], sides[1], scale), sides); };
  });
  add(what, "libtorch", [=] {
    return [=, sides = unit_rows(), labels = at::arange(kLossBatch)] {
      const at::Tensor logits = scale.exp() * at::mm(sides[0], sides[1].t());
      const at::Tensor loss =
          (at::cross_entropy_loss(logits, labels) + at::cross_entropy_loss(logits.t(), labels)) / 2;
      differentiate(loss, sides);
    };
  });
}

void add_adamw() {
  const std::string what = fmt::format("AdamW of {} parameters", kParameters);
  add(what, "paraclip", [] {
    at::Tensor parameter = at::randn({kParameters}).requires_grad_(true);
    parameter.mutable_grad() = at::randn({kParameters});
    auto optimizer =
        std::make_shared<AdamW>(std::vector<NamedTensor>{{"parameter", parameter}}, AdamWOptions());
    return [optimizer] { optimizer->step(/*learning_rate=*/1e-6); };
  });
  add(what, "libtorch", [] {
    const AdamWOptions options;
    const std::vector<at::Tensor> parameter = {at::randn({kParameters})},
                                  gradient = {at::randn({kParameters})};
    const std::vector<at::Tensor> first = {at::zeros({kParameters})},
                                  second = {at::zeros({kParameters})};
    const std::vector<at::Tensor> steps = {at::ones({})};
    return [=] {
      at::_fused_adamw_(parameter, gradient, first, second, {}, steps, /*lr=*/1e-6, options.beta1,
                        options.beta2, options.weight_decay, options.eps, /*amsgrad=*/false,
                        /*maximize=*/false);
    };
  });
}

}  // namespace
}  // namespace paraclip::bench

int main(int argc, char** argv) {
  using namespace paraclip::bench;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (const bool bfloat16 : {false, true}) {
    add_products(bfloat16);
    add_attention(bfloat16);
  }
  add_norm();
  add_loss();
  add_adamw();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
