#include "paraclip/train/trainer.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/random.h"
#include "paraclip/base/signals.h"
#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/parallel.h"
#include "paraclip/train/batch_queue.h"
#include "paraclip/train/run_card.h"
#include "paraclip/train/schedule.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace paraclip {
namespace {

// exp(logit_scale) stays in [1, 100], as in CLIP (Radford et al., 2021, section 2.5).
const double kLargestLogitScale = std::log(100.0);

// What a step draws at random, beside its samples.
uint64_t draw_of(uint64_t seed, int64_t step) {
  return mix64(mix64(seed) ^ static_cast<uint64_t>(step));
}

// Steps, time and time spent waiting for batches since the metrics were last written.
class Stopwatch {
 public:
  Stopwatch(int64_t step, const BatchQueue& batches) : batches_(batches) { restart(step); }

  void restart(int64_t step) {
    started_ = std::chrono::steady_clock::now();
    first_ = step;
    waited_ = batches_.waited();
  }

  double seconds_per_step(int64_t step) const {
    return seconds() / static_cast<double>(step - first_);
  }
  double data_wait() const { return (batches_.waited() - waited_) / seconds(); }

 private:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  }

  const BatchQueue& batches_;
  std::chrono::steady_clock::time_point started_;
  int64_t first_ = 0;
  double waited_ = 0;
};

}  // namespace

Trainer::Trainer(Objective& objective, TrainOptions options, Evaluator evaluate,
                 ProgressCallback progress, Communicator* ranks)
    : objective_(objective),
      model_(objective.text()),
      options_(std::move(options)),
      evaluate_(std::move(evaluate)),
      progress_(std::move(progress)),
      alone_(ranks == nullptr ? Communicator::single() : nullptr),
      ranks_(ranks == nullptr ? *alone_ : *ranks),
      store_(options_.output) {
  options_.validate();
  steps_per_epoch_ = objective_.size() / options_.batch_size;
  if (steps_per_epoch_ == 0) {
    fail(ErrorKind::kData, "{} {} are fewer than one batch of {}; use a smaller --batch-size",
         objective_.size(), objective_.sample_name(), options_.batch_size);
  }
  state_.identity = options_.trajectory();
  state_.identity.update(objective_.identity());
  state_.identity["base model"] = model_.fingerprint();
  state_.threads = at::get_num_threads();

  choose_parameters();
  if (options_.resume) {
    restore();
  } else if (!store_.empty()) {
    fail(ErrorKind::kUsage,
         "{} already holds a run; add --resume to go on with it, or choose another --output",
         options_.output.string());
  }
  check_ranks();
}

void Trainer::choose_parameters() {
  TextTower& tower = model_.tower();
  VisionTower* vision = objective_.vision();
  tower.set_trainable(true);
  if (options_.lora_rank > 0) {
    if (vision != nullptr) {
      fail(ErrorKind::kUsage,
           "--lora-rank adapts a text tower alone; the image tower is trained too");
    }
    lora_ = std::make_unique<Lora>(tower, options_.lora_rank, options_.lora_alpha, options_.seed);
    trained_ = lora_->parameters();
    trained_.emplace_back("logit_scale", tower.logit_scale());
  } else {
    trained_ = tower.parameters();
  }
  if (options_.freeze_temperature) {
    trained_.back().second.set_requires_grad(false);
    trained_.pop_back();
  }
  std::vector<double> rate_factors;
  for (const auto& [name, parameter] : trained_) {
    rate_factors.push_back(layer_decay_factor(name, tower.config().layers, options_.layer_decay));
  }
  if (vision != nullptr) {
    state_.identity["base image tower"] = fingerprint_of(vision->parameters(), "");
    vision->set_trainable(true);
    trained_.insert(trained_.end(), vision->parameters().begin(), vision->parameters().end());
    rate_factors.resize(trained_.size(), 1.0);
  }
  gradients_ = std::make_unique<GradientBuffer>(trained_);
  optimizer_ = std::make_unique<AdamW>(trained_, options_.adamw, std::move(rate_factors));
}

// Ranks that read other data, or have other weights, would train on without a word. Kernels of
// different instruction sets round differently, so that the ranks' weights would drift apart.
void Trainer::check_ranks() {
  if (options_.batch_size % ranks_.size() != 0) {
    fail(ErrorKind::kUsage, "--batch-size {}: expected a multiple of the {} processes",
         options_.batch_size, ranks_.size());
  }
  Json own = state_.identity;
  own["step"] = state_.step;
  own["kernels"] = kernels::active().name;
  const std::vector<std::string> all = ranks_.all_gather(own.dump());
  const Json expected = Json::parse(all.front());
  for (size_t rank = 1; rank < all.size(); ++rank) {
    const Json other = Json::parse(all[rank]);
    for (const auto& [name, value] : other.items()) {
      if (value == expected.value(name, Json())) continue;
      fail(
          ErrorKind::kUsage,
          "rank {} differs from rank 0: its {} is {}, not {}; give all processes the same options, "
          "data and model (and, on processors of different kinds, PARACLIP_KERNELS)",
          rank, name, value.dump(), expected.value(name, Json()).dump());
    }
  }
}

void Trainer::restore() {
  const int threads = state_.threads;
  std::vector<NamedTensor> tensors;
  state_ = store_.resume(model_, objective_.vision(), state_.identity, tensors);
  optimizer_->load_state(state_.optimizer_steps, tensors);
  if (lora_) restore_tensors(lora_->parameters(), tensors);
  if (state_.threads == threads) return;
  log().warn(
      "the run was started with {} threads and goes on with {}: the result will be equal up to "
      "rounding only",
      state_.threads, threads);
}

std::vector<int64_t> Trainer::samples_of(int64_t step) const {
  const Permutation order(static_cast<uint64_t>(objective_.size()), options_.seed,
                          static_cast<uint64_t>(step / steps_per_epoch_));
  const int64_t first = step % steps_per_epoch_ * options_.batch_size;
  std::vector<int64_t> samples(static_cast<size_t>(options_.batch_size));
  for (int64_t i = 0; i < options_.batch_size; ++i) {
    samples[static_cast<size_t>(i)] = static_cast<int64_t>(order(static_cast<uint64_t>(first + i)));
  }
  return samples;
}

std::unique_ptr<PreparedBatch> Trainer::prepare(const std::vector<int64_t>& samples,
                                                uint64_t draw) const {
  const auto count = static_cast<int64_t>(samples.size());
  const Range part = share_of(count, ranks_.rank(), ranks_.size());
  return objective_.prepare({samples.begin() + part.begin, samples.begin() + part.end}, draw);
}

StepReport Trainer::step(const std::vector<int64_t>& samples, double learning_rate, uint64_t draw) {
  return step_on(*prepare(samples, draw), learning_rate);
}

StepReport Trainer::step_on(PreparedBatch& batch, double learning_rate) {
  gradients_->zero();
  if (lora_) lora_->zero_gradients();
  StepLoss loss = objective_.accumulate_gradients(batch);
  StepReport report;
  report.loss = loss.total;
  report.parts = std::move(loss.parts);
  for (const int64_t tokens : ranks_.all_gather(loss.tokens)) report.tokens += tokens;
  report.finite = std::isfinite(report.loss);
  if (!report.finite) return report;

  if (lora_) lora_->pull_gradients();
  ranks_.all_reduce_sum(gradients_->values());
  report.grad_norm = gradients_->norm();
  report.finite = std::isfinite(report.grad_norm);
  if (!report.finite) return report;
  optimizer_->step(learning_rate, clip_factor(report.grad_norm, options_.grad_clip_norm));
  if (lora_) lora_->merge();
  at::Tensor(model_.tower().logit_scale().detach()).clamp_(0.0, kLargestLogitScale);
  return report;
}

void Trainer::start() {
  if (writes()) {
    make_directories(options_.output);
    log_ = std::make_unique<MetricsLog>(options_.output, options_.resume ? state_.step : -1);
  }
  if (options_.resume) {
    log().info("resuming {} at step {} of {}", options_.output.string(), state_.step,
               total_steps());
  }
  // A run that was interrupted in an evaluation makes up for it.
  if (evaluation_due()) evaluate_and_save();
}

TrainState Trainer::run() {
  start();
  int64_t skipped_in_a_row = 0;
  BatchQueue batches(
      [this](int64_t step) { return prepare(samples_of(step), draw_of(options_.seed, step)); },
      state_.step, total_steps());
  Stopwatch stopwatch(state_.step, batches);
  while (state_.step < total_steps() && !stops_early()) {
    if (ranks_.any(stop_requested())) {
      save();
      stop();
    }
    const double rate =
        cosine_learning_rate(state_.step, options_.learning_rate, options_.warmup, total_steps());
    const StepReport report = step_on(*batches.take(), rate);
    ++state_.step;
    state_.skipped += report.finite ? 0 : 1;
    skipped_in_a_row = report.finite ? 0 : skipped_in_a_row + 1;
    if (skipped_in_a_row >= options_.max_skipped) {
      fail(ErrorKind::kNumeric,
           "gave up after {} non-finite steps in a row (loss {}, gradient norm {}) at step {}; the "
           "last checkpoint is untouched; try a lower --lr",
           skipped_in_a_row, report.loss, report.grad_norm, state_.step);
    }
    const bool last = state_.step == total_steps();
    if (state_.step % options_.log_every == 0 || last || !report.finite) {
      log_step(report, rate, stopwatch.seconds_per_step(state_.step), stopwatch.data_wait());
      stopwatch.restart(state_.step);
    }
    if (progress_) {
      progress_(
          {"train", "steps", state_.step, total_steps(), fmt::format("loss {:.4f}", report.loss)});
    }
    const bool evaluates = evaluation_due();
    const bool saves = options_.save_every > 0 && state_.step % options_.save_every == 0;
    if (evaluates) {
      evaluate_and_save();
    } else if (saves) {
      save();
    }
    if (evaluates || saves) stopwatch.restart(state_.step);
  }
  return state_;
}

void Trainer::log_step(const StepReport& report, double learning_rate, double seconds,
                       double data_wait) {
  if (!writes()) return;
  Json values = Json::object();
  values["epoch"] = static_cast<double>(state_.step) / static_cast<double>(steps_per_epoch_);
  values["loss"] = report.loss;
  for (const auto& [name, value] : report.parts) values[name] = value;
  values["lr"] = learning_rate;
  values["logit_scale"] = std::exp(model_.tower().logit_scale().item<double>());
  values["grad_norm"] = report.grad_norm;
  values["tokens"] = report.tokens;
  values["skipped"] = state_.skipped;
  values["data_wait"] = data_wait;
  values[objective_.sample_name() + "_per_second"] =
      static_cast<double>(options_.batch_size) / seconds;
  log_->write("train", state_.step, values);
}

std::string Trainer::choose_best_metric(const Json& metrics) const {
  if (!options_.best_metric.empty()) {
    if (metrics.contains(options_.best_metric)) return options_.best_metric;
    fail(ErrorKind::kUsage, "--best-metric {}: the evaluation gives {}", options_.best_metric,
         dump_json(metrics));
  }
  for (const char* prefix : {"ao@", "t2i_recall@"}) {
    for (const auto& [name, value] : metrics.items()) {
      if (name.starts_with(prefix)) return name;
    }
  }
  return metrics.empty() ? "" : metrics.begin().key();
}

bool Trainer::evaluation_due() const {
  const bool planned = state_.step % options_.eval_every == 0 || state_.step == total_steps();
  return planned && state_.evaluated_step < state_.step;
}

void Trainer::evaluate_and_save() {
  bool interrupted = false;
  try {
    if (writes()) evaluate();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInterrupted) throw;
    interrupted = true;
  }
  interrupted = ranks_.any(interrupted);
  if (!interrupted) state_.evaluated_step = state_.step;
  state_.stale_evaluations = ranks_.all_gather(state_.stale_evaluations).front();
  save();
  if (interrupted) stop();
  if (stops_early()) {
    log().info("stopping at step {} of {}: {} evaluations in a row gave no new best (--patience)",
               state_.step, total_steps(), state_.stale_evaluations);
  }
}

void Trainer::stop() const {
  fail(ErrorKind::kInterrupted, "interrupted at step {} of {}; add --resume to go on", state_.step,
       total_steps());
}

bool Trainer::holds_guard(const Json& metrics) const {
  const std::string& name = options_.guard_metric;
  if (name.empty()) return true;
  if (!metrics.contains(name)) {
    fail(ErrorKind::kUsage, "--guard-metric {}: the evaluation gives {}", name, dump_json(metrics));
  }
  return metrics[name].get<double>() >=
         state_.first_metrics.at(name).get<double>() - options_.guard_drop;
}

bool Trainer::stops_early() const {
  return options_.patience > 0 && state_.stale_evaluations >= options_.patience;
}

void Trainer::evaluate() {
  if (!evaluate_) {
    state_.best_step = state_.step;
    return;
  }
  const Json metrics = evaluate_(model_);
  if (state_.step == 0) state_.first_metrics = metrics;
  const bool held = holds_guard(metrics);
  const double value = metrics.at(choose_best_metric(metrics)).get<double>();
  state_.last_metrics = metrics;
  if (held && (!state_.best_value || value > *state_.best_value)) {
    state_.best_value = value;
    state_.best_step = state_.step;
    state_.best_metrics = metrics;
    state_.stale_evaluations = 0;
  } else {
    ++state_.stale_evaluations;
  }
  Json record = metrics;
  if (!options_.guard_metric.empty()) record["guard_held"] = held;
  if (options_.patience > 0) record["stale_evaluations"] = state_.stale_evaluations;
  if (stops_early()) record["stopped_early"] = true;
  log_->write("eval", state_.step, record);
}

// After it, the checkpoint is there for all ranks.
void Trainer::save() {
  state_.optimizer_steps = optimizer_->steps();
  if (!writes()) return ranks_.barrier();
  std::vector<NamedTensor> tensors = optimizer_->state();
  if (lora_) {
    tensors.insert(tensors.end(), lora_->parameters().begin(), lora_->parameters().end());
  }
  store_.save(model_, objective_.vision(), tensors, state_, options_.text_only,
              card_of_run(objective_, state_, options_.text_only).to_markdown(),
              options_.keep_checkpoints);
  ranks_.barrier();
}

}  // namespace paraclip
