#include "paraclip/train/train_options.h"

#include "paraclip/base/error.h"

namespace paraclip {
namespace {

void require(bool holds, const char* option, const char* expected) {
  if (!holds) fail(ErrorKind::kUsage, "{}: expected {}", option, expected);
}

}  // namespace

void TrainOptions::validate() const {
  require(!output.empty(), "--output", "a folder");
  require(batch_size >= 2, "--batch-size", "at least 2: a contrastive loss needs negatives");
  require(epochs >= 1, "--epochs", "at least 1");
  require(learning_rate > 0, "--lr", "a number above 0");
  require(warmup >= 0, "--warmup", "0 or more steps");
  require(adamw.beta1 >= 0 && adamw.beta1 < 1, "--beta1", "a number in [0, 1)");
  require(adamw.beta2 >= 0 && adamw.beta2 < 1, "--beta2", "a number in [0, 1)");
  require(adamw.eps > 0, "--eps", "a number above 0");
  require(adamw.weight_decay >= 0, "--wd", "0 or more");
  require(grad_clip_norm >= 0, "--grad-clip-norm", "0 or more");
  require(log_every >= 1, "--log-every", "at least 1");
  require(eval_every >= 1, "--eval-every", "at least 1");
  require(save_every >= 0, "--save-every", "0 or more");
  require(max_skipped >= 1, "--max-skipped", "at least 1");
}

Json TrainOptions::trajectory() const {
  Json json = Json::object();
  json["batch-size"] = batch_size;
  json["epochs"] = epochs;
  json["lr"] = learning_rate;
  json["warmup"] = warmup;
  json["beta1"] = adamw.beta1;
  json["beta2"] = adamw.beta2;
  json["eps"] = adamw.eps;
  json["wd"] = adamw.weight_decay;
  json["grad-clip-norm"] = grad_clip_norm;
  json["freeze-temperature"] = freeze_temperature;
  json["seed"] = seed;
  return json;
}

}  // namespace paraclip
