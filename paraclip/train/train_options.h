#pragma once

#include "paraclip/base/json.h"
#include "paraclip/clip/precision.h"
#include "paraclip/train/optimizer.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace paraclip {

/// Half of the memory that this process may use: of the machine's, or of its control group's limit.
/// In bytes.
int64_t default_memory();

/// A size such as "4GB", "1.5GiB", "800 MB" or "1000000" in bytes. Throws kUsage, naming `option`,
/// for anything else and for 0.
int64_t parse_memory(std::string_view text, std::string_view option);

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
  double grad_clip_norm = 1.0;             ///< 0: no clipping.
  bool freeze_temperature = false;         ///< Keep the base model's logit_scale.
  Precision precision = Precision::kFp32;  ///< Of the text tower; weights are float32 either way.
  int64_t memory = default_memory();  ///< Bytes that the run may take. No result depends on it.
  double layer_decay = 1.0;           ///< See layer_decay_factor(); 1: none.
  int64_t lora_rank = 0;              ///< See Lora; 0: all weights are trained.
  double lora_alpha = 16;
  uint64_t seed = 0;         ///< Of the order of samples.
  int64_t log_every = 10;    ///< Steps between lines of metrics.
  int64_t eval_every = 100;  ///< Steps between evaluations; also at step 0 and at the end.
  int64_t save_every =
      0;  ///< Steps between checkpoints beside those of evaluations; 0: only those.
  int64_t keep_checkpoints = 1;  ///< The newest ones, which are kept beside `best`.
  int64_t max_skipped = 10;      ///< Non-finite steps in a row after which the run gives up.
  std::string best_metric;   ///< What `best` is chosen by; empty: the first of ao@K, t2i_recall@K
                             ///< that there is.
  std::string guard_metric;  ///< What must not fall; empty: nothing.
  double guard_drop = 1.0;   ///< Percentage points that it may fall below its value at step 0.
  int64_t patience = 0;      ///< Evaluations in a row without a new best after which the run ends;
                             ///< 0: it does not.
  bool text_only = false;    ///< Checkpoints without the image tower, where the base model has one.
  bool resume = false;       ///< Go on from `output`'s last checkpoint.

  /// Throws kUsage, naming the option.
  void validate() const;

  /// What determines the run's result: a resumed run must agree on all of it.
  Json trajectory() const;
};

}  // namespace paraclip
