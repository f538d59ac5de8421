#pragma once

#include "paraclip/base/json.h"
#include "paraclip/train/optimizer.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace paraclip {

/// Everything that a training run is told. The paper is silent on all but the losses; the defaults
/// follow published fine-tunes of CLIP's text side (NegCLIP, FSC-CLIP, READ-CLIP: batch 256, 5
/// epochs, 50 steps of warm-up, learning rates of 1e-6 to 1e-5, weight decay 0.1).
struct TrainOptions {
  std::filesystem::path output;  ///< Checkpoints, metrics and the effective config go here.
  int64_t batch_size = 256;      ///< Samples a step; an epoch's incomplete last batch is left out.
  int64_t epochs = 5;
  double learning_rate = 1e-5;  ///< The highest one.
  int64_t warmup = 50;          ///< Steps of linear warm-up.
  AdamWOptions adamw;
  double grad_clip_norm = 1.0;      ///< 0: no clipping.
  bool freeze_temperature = false;  ///< Keep the base model's logit_scale.
  uint64_t seed = 0;                ///< Of the order of samples.
  int64_t log_every = 10;           ///< Steps between lines of metrics.
  int64_t eval_every = 100;         ///< Steps between evaluations; also at step 0 and at the end.
  int64_t save_every =
      0;  ///< Steps between checkpoints beside those of evaluations; 0: only those.
  int64_t max_skipped = 10;  ///< Non-finite steps in a row after which the run gives up.
  std::string best_metric;   ///< What `best` is chosen by; empty: the first of ao@K, t2i_recall@K
                             ///< that there is.
  bool text_only = false;    ///< Checkpoints without the image tower, where the base model has one.
  bool resume = false;       ///< Go on from `output`'s last checkpoint.

  /// Throws kUsage, naming the option.
  void validate() const;

  /// What determines the run's result: a resumed run must agree on all of it.
  Json trajectory() const;
};

}  // namespace paraclip
