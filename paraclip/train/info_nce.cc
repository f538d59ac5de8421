#include "paraclip/train/info_nce.h"

#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/parallel.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <unordered_map>

namespace paraclip {
namespace {

// A tile of logits stays in a core's level-2 cache: rows in whole tiles of the fastest kernels.
constexpr int64_t kTileRows = 252;
constexpr int64_t kTileColumns = kernels::kContrastColumns;

// Arrays over columns are read by whole vectors.
constexpr int64_t kPadding = 16;

// Below every logit, but not so far that differences overflow.
constexpr float kLowest = -1e30F;

constexpr double kLn2 = std::numbers::ln2;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Rows are cut into slabs that threads work on: at most 64, each of at least one tile, whatever
// the number of threads, so that sums do not depend on it.
int64_t slab_rows(int64_t batch) {
  return std::max<int64_t>(256, divide_up(divide_up(batch, 64), kPadding) * kPadding);
}

const float* row_of(const at::Tensor& rows, int64_t row) {
  return rows.const_data_ptr<float>() + row * rows.size(1);
}

// A slab of rows as the right factor [slab, width] of products that give gradients.
std::vector<PackedFactor> gradient_factors(const at::Tensor& rows, int64_t slab) {
  std::vector<PackedFactor> factors(static_cast<size_t>(divide_up(rows.size(0), slab)));
  parallel_tasks(static_cast<int64_t>(factors.size()), [&](int64_t index) {
    PackedFactor& factor = factors[static_cast<size_t>(index)];
    const int64_t first = index * slab;
    factor.resize(NumberType::kFloat32, std::min(slab, rows.size(0) - first), rows.size(1));
    factor.pack(row_of(rows, first), rows.size(1), 0, factor.panels());
  });
  return factors;
}

// How far the others are above the partner, in units of log 2: log sum 2^logit - partner.
double lead_of_others(float maximum, float sum, float partner) {
  return static_cast<double>(maximum) + std::log2(static_cast<double>(sum)) -
         static_cast<double>(partner);
}

// -log softmax of the partner, from the lead of the others.
double loss_of(double lead) {
  const double x = lead * kLn2;
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

// 1 - softmax of the partner.
double share_of_others(double lead) { return 1 / (1 + std::exp(-lead * kLn2)); }

// One loss, with what its two passes over the logits share.
class TiledLoss {
 public:
  TiledLoss(ContrastSide& a, ContrastSide& b, double logit_scale, LossDirection direction,
            Communicator& ranks)
      : a_(a),
        b_(b),
        ranks_(ranks),
        local_(a.rows().size(0)),
        batch_(local_ * ranks.size()),
        width_(a.rows().size(1)),
        first_(local_ * ranks.rank()),
        slab_(slab_rows(batch_)),
        scale_(std::exp(logit_scale)),
        row_weight_(direction == LossDirection::kSymmetric ? 0.5
                    : direction == LossDirection::kForward ? 1.0
                                                           : 0.0),
        factors_(b.logit_factors(ranks, slab_)),
        a_numbers_(a.all_identities(ranks)),
        b_numbers_(b.all_identities(ranks)) {}

  double value();
  double add_gradients(double weight);

 private:
  struct Tile {
    int64_t row, rows, column, columns;  // Of this rank's rows, of the batch's columns.
    int64_t row_slab, column_slab;
    std::vector<float>& products;
  };
  void for_tiles(const std::function<void(const Tile&)>& work) const;
  void multiply(const Tile& tile) const;
  kernels::ContrastTile kernel_tile(const Tile& tile) const;
  void collect(const Tile& tile);
  void merge_columns();
  void add_products(const Tile& tile, const std::vector<PackedFactor>& a_factors,
                    const std::vector<PackedFactor>& b_factors, float* b_gradient) const;
  std::vector<float> shifts(const std::vector<double>& leads, const std::vector<float>& partners,
                            double weight) const;

  ContrastSide &a_, &b_;
  Communicator& ranks_;
  int64_t local_, batch_, width_, first_, slab_;
  double scale_, row_weight_;
  const std::vector<PackedFactor>& factors_;
  const std::vector<int32_t>&a_numbers_, &b_numbers_;
  std::vector<float> row_maxima_, row_sums_, row_partners_;           // [local]
  std::vector<float> column_maxima_, column_sums_, column_partners_;  // [batch], padded.
  std::vector<double> row_leads_, column_leads_;
};

// All tiles; in each step a row slab is beside a column slab of its own, so that the slabs' sums
// over rows and over columns need no locks and are taken in one order.
void TiledLoss::for_tiles(const std::function<void(const Tile&)>& work) const {
  const int64_t row_slabs = divide_up(local_, slab_), column_slabs = divide_up(batch_, slab_);
  std::vector<std::vector<float>> products(static_cast<size_t>(at::get_num_threads()));
  for (int64_t step = 0; step < column_slabs; ++step) {
    parallel_tasks(row_slabs, [&](int64_t row_slab) {
      std::vector<float>& own = products[static_cast<size_t>(at::get_thread_num())];
      own.resize(static_cast<size_t>(kTileRows * kTileColumns));
      const int64_t column_slab = (row_slab + step) % column_slabs;
      const int64_t row_end = std::min((row_slab + 1) * slab_, local_);
      const int64_t column_end = std::min((column_slab + 1) * slab_, batch_);
      for (int64_t row = row_slab * slab_; row < row_end; row += kTileRows) {
        for (int64_t column = column_slab * slab_; column < column_end; column += kTileColumns) {
          work({row, std::min(kTileRows, row_end - row), column,
                std::min(kTileColumns, column_end - column), row_slab, column_slab, own});
        }
      }
    });
  }
}

void TiledLoss::multiply(const Tile& tile) const {
  Gemm product;
  product.a = row_of(a_.rows(), tile.row);
  product.a_stride = width_;
  product.rows = tile.rows;
  product.b = &factors_[static_cast<size_t>(tile.column_slab)];
  const int64_t within = tile.column - tile.column_slab * slab_;
  product.panel_begin = within / kPanelColumns;
  product.panel_end = divide_up(within + tile.columns, kPanelColumns);
  product.result = tile.products.data() - within;
  product.result_stride = kTileColumns;
  gemm(product);
}

kernels::ContrastTile TiledLoss::kernel_tile(const Tile& tile) const {
  const auto at = [](const std::vector<int32_t>& numbers, int64_t index) {
    return numbers.empty() ? nullptr : numbers.data() + index;
  };
  return {tile.products.data(),
          kTileColumns,
          tile.rows,
          tile.columns,
          static_cast<float>(scale_ / kLn2),
          first_ + tile.row - tile.column,
          at(a_numbers_, first_ + tile.row),
          at(a_numbers_, tile.column),
          at(b_numbers_, first_ + tile.row),
          at(b_numbers_, tile.column)};
}

void TiledLoss::collect(const Tile& tile) {
  multiply(tile);
  kernels::active().contrast({kernel_tile(tile), row_maxima_.data() + tile.row,
                              row_sums_.data() + tile.row, column_maxima_.data() + tile.column,
                              column_sums_.data() + tile.column, row_partners_.data() + tile.row});
}

// Every rank has seen its rows of each column.
void TiledLoss::merge_columns() {
  const auto count = static_cast<size_t>(batch_);
  column_partners_.resize(count + kPadding);
  ranks_.all_gather(std::span<const float>(row_partners_),
                    std::span(column_partners_).first(count));
  if (ranks_.size() == 1) return;
  std::vector<float> maxima(count * static_cast<size_t>(ranks_.size())), sums(maxima.size());
  ranks_.all_gather(std::span<const float>(column_maxima_).first(count), std::span(maxima));
  ranks_.all_gather(std::span<const float>(column_sums_).first(count), std::span(sums));
  for (size_t j = 0; j < count; ++j) {
    float above = kLowest;
    for (size_t i = j; i < maxima.size(); i += count) above = std::max(above, maxima[i]);
    float sum = 0;
    for (size_t i = j; i < maxima.size(); i += count) sum += sums[i] * std::exp2(maxima[i] - above);
    column_maxima_[j] = above;
    column_sums_[j] = sum;
  }
}

double TiledLoss::value() {
  const auto rows = static_cast<size_t>(local_), columns = static_cast<size_t>(batch_);
  row_maxima_.assign(rows, kLowest);
  row_sums_.assign(rows, 0);
  row_partners_.resize(rows);
  column_maxima_.assign(columns + kPadding, kLowest);
  column_sums_.assign(columns + kPadding, 0);
  for_tiles([&](const Tile& tile) { collect(tile); });
  merge_columns();

  row_leads_.resize(rows);
  column_leads_.resize(columns);
  double along_rows = 0, along_columns = 0;
  for (size_t i = 0; i < rows; ++i) {
    row_leads_[i] = lead_of_others(row_maxima_[i], row_sums_[i], row_partners_[i]);
    along_rows += loss_of(row_leads_[i]);
  }
  for (size_t j = 0; j < columns; ++j) {
    column_leads_[j] = lead_of_others(column_maxima_[j], column_sums_[j], column_partners_[j]);
    along_columns += loss_of(column_leads_[j]);
  }
  double all_rows = 0;
  for (const double part : ranks_.all_gather(along_rows)) all_rows += part;
  return (row_weight_ * all_rows + (1 - row_weight_) * along_columns) / static_cast<double>(batch_);
}

// What 2^(logit - shift) is `weight` times the softmax with; a weight of 0 is beyond every logit.
std::vector<float> TiledLoss::shifts(const std::vector<double>& leads,
                                     const std::vector<float>& partners, double weight) const {
  std::vector<float> result(leads.size() + kPadding, -kLowest);
  if (weight == 0) return result;
  for (size_t i = 0; i < leads.size(); ++i) {
    const double log_sum = static_cast<double>(partners[i]) + loss_of(leads[i]) / kLn2;
    result[i] = static_cast<float>(log_sum - std::log2(weight));
  }
  return result;
}

void TiledLoss::add_products(const Tile& tile, const std::vector<PackedFactor>& a_factors,
                             const std::vector<PackedFactor>& b_factors, float* b_gradient) const {
  Gemm product;
  product.a = tile.products.data();
  product.a_stride = kTileColumns;
  product.epilogue = Epilogue::kAccumulate;
  product.result_stride = width_;
  if (a_.gradient().defined()) {
    product.rows = tile.rows;
    product.b = &b_factors[static_cast<size_t>(tile.column_slab)];
    product.depth_begin = tile.column - tile.column_slab * slab_;
    product.depth_end = product.depth_begin + tile.columns;
    product.result = a_.gradient().data_ptr<float>() + tile.row * width_;
    gemm(product);
  }
  if (b_gradient != nullptr) {
    product.a_transposed = true;
    product.rows = tile.columns;
    product.b = &a_factors[static_cast<size_t>(tile.row_slab)];
    product.depth_begin = tile.row - tile.row_slab * slab_;
    product.depth_end = product.depth_begin + tile.rows;
    product.result = b_gradient + tile.column * width_;
    gemm(product);
  }
}

// The gradient by a logit is factor * (softmax - 1 at the partner), along rows and columns.
double TiledLoss::add_gradients(double weight) {
  const double factor = weight * scale_ / static_cast<double>(batch_);
  const double row_factor = factor * row_weight_, column_factor = factor * (1 - row_weight_);
  const std::vector<float> row_shifts = shifts(row_leads_, row_partners_, row_factor);
  const std::vector<float> column_shifts = shifts(column_leads_, column_partners_, column_factor);
  std::vector<float> partner_gradients(row_leads_.size());
  for (size_t i = 0; i < partner_gradients.size(); ++i) {
    const double others =
        row_factor * share_of_others(row_leads_[i]) +
        column_factor * share_of_others(column_leads_[static_cast<size_t>(first_) + i]);
    partner_gradients[i] = static_cast<float>(-others);
  }

  const bool several = ranks_.size() > 1;
  const bool wants_b = b_.gradient().defined();
  const at::Tensor b_gradient =
      wants_b && several ? at::zeros({batch_, width_}, at::kFloat) : b_.gradient();
  float* const b_values = wants_b ? b_gradient.data_ptr<float>() : nullptr;
  const auto b_factors = a_.gradient().defined() ? gradient_factors(b_.all_rows(ranks_), slab_)
                                                 : std::vector<PackedFactor>();
  const auto a_factors = wants_b ? gradient_factors(a_.rows(), slab_) : std::vector<PackedFactor>();
  std::vector<double> slopes(static_cast<size_t>(divide_up(local_, slab_)));
  for_tiles([&](const Tile& tile) {
    multiply(tile);
    kernels::active().contrast_gradient(
        {kernel_tile(tile), row_shifts.data() + tile.row, row_partners_.data() + tile.row,
         column_shifts.data() + tile.column, column_partners_.data() + tile.column,
         partner_gradients.data() + tile.row, &slopes[static_cast<size_t>(tile.row_slab)]});
    add_products(tile, a_factors, b_factors, b_values);
  });
  if (wants_b && several) {
    at::Tensor local = at::empty({local_, width_}, at::kFloat);
    const auto span_of = [](const at::Tensor& x) {
      return std::span(x.data_ptr<float>(), static_cast<size_t>(x.numel()));
    };
    ranks_.reduce_scatter_sum(span_of(b_gradient), span_of(local));
    at::Tensor(b_.gradient()).add_(local);
  }
  double slope = 0, all_slopes = 0;
  for (const double part : slopes) slope += part;
  for (const double part : ranks_.all_gather(slope)) all_slopes += part;
  return all_slopes * kLn2 / scale_;
}

bool all_finite(const ContrastSide& side) {
  return std::isfinite(side.rows().sum().item<double>());
}

}  // namespace

ContrastSide::ContrastSide(at::Tensor rows, std::vector<int64_t> identities, at::Tensor gradient)
    : rows_(rows.contiguous()),
      gradient_(std::move(gradient)),
      identities_(std::move(identities)) {}

const at::Tensor& ContrastSide::all_rows(Communicator& ranks) {
  if (ranks.size() == 1) return rows_;
  if (!all_rows_.defined()) {
    all_rows_ = at::empty({rows_.size(0) * ranks.size(), rows_.size(1)}, at::kFloat);
    ranks.all_gather(
        std::span(rows_.const_data_ptr<float>(), static_cast<size_t>(rows_.numel())),
        std::span(all_rows_.mutable_data_ptr<float>(), static_cast<size_t>(all_rows_.numel())));
  }
  return all_rows_;
}

const std::vector<int32_t>& ContrastSide::all_identities(Communicator& ranks) {
  if (numbered_) return numbers_;
  numbered_ = true;
  std::vector<int64_t> all(identities_.size() * static_cast<size_t>(ranks.size()));
  ranks.all_gather(std::span<const int64_t>(identities_), std::span(all));
  std::unordered_map<int64_t, int32_t> known;
  numbers_.reserve(all.size() + kPadding);
  for (const int64_t identity : all) {
    numbers_.push_back(
        known.try_emplace(identity, static_cast<int32_t>(known.size())).first->second);
  }
  if (known.size() == all.size()) {
    numbers_.clear();
  } else {
    numbers_.resize(all.size() + kPadding, -1);
  }
  return numbers_;
}

const std::vector<PackedFactor>& ContrastSide::logit_factors(Communicator& ranks, int64_t slab) {
  if (!factors_.empty()) return factors_;
  const at::Tensor& rows = all_rows(ranks);
  const int64_t width = rows.size(1);
  factors_.resize(static_cast<size_t>(divide_up(rows.size(0), slab)));
  parallel_tasks(static_cast<int64_t>(factors_.size()), [&](int64_t index) {
    PackedFactor& factor = factors_[static_cast<size_t>(index)];
    const int64_t first = index * slab;
    factor.resize(NumberType::kFloat32, width, std::min(slab, rows.size(0) - first));
    factor.pack_transposed(row_of(rows, first), width, 0, factor.panels());
  });
  return factors_;
}

InfoNce add_info_nce(ContrastSide& a, ContrastSide& b, double logit_scale, double weight,
                     LossDirection direction, Communicator& ranks) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (ranks.any(!all_finite(a) || !all_finite(b) || !std::isfinite(std::exp(logit_scale)))) {
    return {kNan, kNan};
  }
  TiledLoss loss(a, b, logit_scale, direction, ranks);
  InfoNce result{loss.value(), 0};
  if (weight != 0 && std::isfinite(result.value)) {
    result.logit_scale_gradient = loss.add_gradients(weight);
  }
  return result;
}

namespace {

class InfoNceFunction : public torch::autograd::Function<InfoNceFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& a,
                            const at::Tensor& b, const at::Tensor& logit_scale,
                            LossDirection direction, const PairIdentities* identities) {
    const auto gradient_of = [](const at::Tensor& rows) {
      return rows.requires_grad() ? at::zeros(rows.sizes(), at::kFloat) : at::Tensor();
    };
    const bool differentiated =
        a.requires_grad() || b.requires_grad() || logit_scale.requires_grad();
    const PairIdentities none, &known = identities == nullptr ? none : *identities;
    ContrastSide side_a(a.to(at::kFloat), known.a, gradient_of(a));
    ContrastSide side_b(b.to(at::kFloat), known.b, gradient_of(b));
    const InfoNce loss =
        add_info_nce(side_a, side_b, logit_scale.item<double>(),
                     /*weight=*/differentiated ? 1 : 0, direction, *Communicator::single());
    context->saved_data["a"] = side_a.gradient();
    context->saved_data["b"] = side_b.gradient();
    context->saved_data["logit_scale"] = loss.logit_scale_gradient;
    return at::scalar_tensor(loss.value, at::kFloat);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor& outer = gradients[0];
    const auto chain = [&](const char* name) {
      const at::Tensor inner = context->saved_data[name].toTensor();
      return inner.defined() ? inner * outer : at::Tensor();
    };
    return {chain("a"), chain("b"), outer * context->saved_data["logit_scale"].toDouble(),
            at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor info_nce(const at::Tensor& a, const at::Tensor& b, const at::Tensor& logit_scale,
                    LossDirection direction, const PairIdentities* identities) {
  return InfoNceFunction::apply(a, b, logit_scale, direction, identities);
}

}  // namespace paraclip
