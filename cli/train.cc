// paraclip train: fine-tunes a CLIP text encoder on paraphrase triples, or trains both towers.

#include "cli/train.h"

#include "cli/command.h"
#include "paraclip/base/error.h"

#include <fmt/ranges.h>

#include <memory>

namespace paraclip::cli {
namespace {

void add_options(CLI::App& app, TrainCommand& command) {
  TrainOptions& train = command.train;
  add_model_option(app, command.model)->required();
  app.add_option("--objective", command.objective, "paraclip (triples), or clip (images, captions)")
      ->check(CLI::IsMember({"paraclip", "clip"}).description(""))
      ->capture_default_str();
  app.add_option("-o,--output", train.output, "Folder for checkpoints and metrics")->required();
  app.add_flag("--resume", train.resume, "Go on from the output's last checkpoint")
      ->configurable(false);

  const std::string triples = "Objective paraclip";
  app.add_option("--triples", command.triples, "Triples JSONL, as 'paraphrase' writes them")
      ->group(triples);
  app.add_option("--image-embeddings", command.image_embeddings,
                 "Folder of image embeddings, as 'embed' writes it")
      ->group(triples);
  app.add_option("--max-missing", command.max_missing,
                 "Share of triples that may name unknown images")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->capture_default_str()
      ->group(triples);
  app.add_option("--token-cache", command.token_cache,
                 "Folder of tokenized triples; default: ~/.cache/paraclip/tokens")
      ->group(triples);
  app.add_flag("--no-token-cache", command.no_token_cache, "Tokenize each time")->group(triples);
  app.add_option("--loss-weights", command.loss_weights, "Of (image,T'') (T,T') (T',T'')")
      ->expected(3)
      ->delimiter(',')
      ->default_str("1,1,1")
      ->group(triples);
  app.add_option("--eval-captions", command.eval.captions, "TSV: image_id, caption")
      ->group(triples);
  app.add_option("--eval-pairs", command.eval.pairs, "TSV: query, paraphrase, image_id")
      ->group(triples);
  app.add_option("--eval-images", command.eval.images, "Image ids of the pool, one a line")
      ->group(triples);
  app.add_flag("--text-only", train.text_only, "Save no image tower")->group(triples);

  const std::string pairs = "Objective clip";
  app.add_option("--unlock", command.unlock, "image: train the image tower as well")->group(pairs);
  app.add_flag("--from-scratch", command.from_scratch, "Random weights; --model needs none")
      ->group(pairs);
  app.add_option("--images", command.images, "Folder of images, or WebDataset shards")
      ->group(pairs);
  app.add_option("--captions", command.captions, "TSV: image_id (a path in the folder), caption")
      ->group(pairs);
  app.add_option("--min-crop-scale", command.pairs.min_crop_scale,
                 "Least share of an image to crop")
      ->capture_default_str()
      ->group(pairs);
  app.add_option("--val-images", command.val_images, "Held out: as --images")->group(pairs);
  app.add_option("--val-captions", command.val_captions, "Held out: as --captions")->group(pairs);

  const std::string optimisation = "Optimisation";
  const auto add = [&](const std::string& name, auto& value, const std::string& text) {
    return app.add_option(name, value, text)->capture_default_str()->group(optimisation);
  };
  add("--batch-size", train.batch_size, "Samples a step");
  add("--epochs", train.epochs, "Passes over the samples");
  add("--lr", train.learning_rate, "Highest learning rate");
  add("--warmup", train.warmup, "Steps of linear warm-up, then cosine");
  add("--wd", train.adamw.weight_decay, "Weight decay, not on 1-D tensors");
  add("--beta1", train.adamw.beta1, "AdamW");
  add("--beta2", train.adamw.beta2, "AdamW");
  add("--eps", train.adamw.eps, "AdamW");
  app.add_option("--precision", command.precision, "fp32 or bf16: what products are computed in")
      ->check(CLI::IsMember({"fp32", "bf16"}).description(""))
      ->capture_default_str()
      ->group(optimisation);
  app.add_option("--memory", command.memory, "What the run may take, as 4GB; default: half")
      ->group(optimisation);
  add("--layer-decay", train.layer_decay, "Learning rate's factor a layer down; 1: none");
  add("--lora-rank", train.lora_rank, "Rank of adapters of the blocks; 0: none");
  add("--lora-alpha", train.lora_alpha, "The adapters' scale times their rank");
  add("--grad-clip-norm", train.grad_clip_norm, "Largest gradient norm; 0: any");
  add("--seed", train.seed, "Of the order of samples");
  add("--max-skipped", train.max_skipped, "Non-finite steps in a row before giving up");
  const std::map<std::string, LossDirection> directions = {{"symmetric", LossDirection::kSymmetric},
                                                           {"forward", LossDirection::kForward},
                                                           {"backward", LossDirection::kBackward}};
  app.add_option("--loss-direction", command.loss.direction, "symmetric, forward or backward")
      ->transform(CLI::CheckedTransformer(directions, CLI::ignore_case).description(""))
      ->default_str("symmetric")
      ->group(optimisation);
  app.add_option("--anchor-weight", command.loss.anchor_weight,
                 "Of 1 - cosine of T to the base's embedding of it")
      ->check(CLI::NonNegativeNumber.description(""))
      ->capture_default_str()
      ->group(triples);
  app.add_flag("--mask-identical", command.loss.mask_identical,
               "Equal texts or images are no negatives")
      ->group(optimisation);
  app.add_flag("--freeze-temperature", train.freeze_temperature, "Keep the base's logit scale")
      ->group(optimisation);

  const std::string evaluation = "Evaluation and checkpoints";
  app.add_option("--eval-every", train.eval_every, "Steps between evaluations")
      ->capture_default_str()
      ->group(evaluation);
  app.add_option("--best-metric", train.best_metric, "Chooses 'best'; default: ao@10")
      ->group(evaluation);
  app.add_option("--guard-metric", train.guard_metric, "What must not fall for a 'best'")
      ->group(evaluation);
  app.add_option("--guard-drop", train.guard_drop, "Points it may fall below its value at step 0")
      ->capture_default_str()
      ->group(evaluation);
  app.add_option("--patience", train.patience, "Evaluations without a new best to stop after")
      ->capture_default_str()
      ->group(evaluation);
  app.add_option("--keep-checkpoints", train.keep_checkpoints, "The newest, beside the best")
      ->capture_default_str()
      ->group(evaluation);
  app.add_option("--save-every", train.save_every, "Steps between further checkpoints")
      ->capture_default_str()
      ->group(evaluation);
  app.add_option("--log-every", train.log_every, "Steps between lines of metrics")
      ->capture_default_str()
      ->group(evaluation);
  add_common_options(app, command.common);
}

// An option of the other objective would be ignored without a word.
void check_objective(const TrainCommand& command) {
  const bool clip = command.objective == "clip";
  const auto set = [](const auto& value) { return !value.empty(); };
  const std::pair<const char*, bool> of_triples[] = {
      {"--triples", set(command.triples)},
      {"--image-embeddings", set(command.image_embeddings)},
      {"--token-cache", set(command.token_cache)},
      {"--no-token-cache", command.no_token_cache},
      {"--eval-captions", set(command.eval.captions)},
      {"--eval-pairs", set(command.eval.pairs)},
      {"--eval-images", set(command.eval.images)},
      {"--precision", command.train.precision != Precision::kFp32},
      {"--memory", set(command.memory)},
      {"--lora-rank", command.train.lora_rank > 0},
      {"--anchor-weight", command.loss.anchor_weight > 0},
      {"--text-only", command.train.text_only}};
  const std::pair<const char*, bool> of_pairs[] = {
      {"--unlock", set(command.unlock)},         {"--from-scratch", command.from_scratch},
      {"--images", set(command.images)},         {"--captions", set(command.captions)},
      {"--val-images", set(command.val_images)}, {"--val-captions", set(command.val_captions)}};
  using Options = std::span<const std::pair<const char*, bool>>;
  for (const auto& [name, given] : clip ? Options(of_triples) : Options(of_pairs)) {
    if (!given) continue;
    fail(ErrorKind::kUsage, "{} has no meaning with --objective {}", name, command.objective);
  }
  if (!clip && (!set(command.triples) || !set(command.image_embeddings))) {
    fail(ErrorKind::kUsage, "--objective paraclip needs --triples and --image-embeddings");
  }
  if (clip && command.unlock != "image") {
    fail(ErrorKind::kUsage,
         "--objective clip trains both towers: add --unlock image (and mind that embeddings made "
         "before are no longer valid)");
  }
  if (clip && !set(command.images)) fail(ErrorKind::kUsage, "--objective clip needs --images");
}

void run(const CLI::App& app, TrainCommand& command) {
  command.common.quiet = command.common.quiet || command.ranks->rank() != 0;
  apply_common_options(command.common);
  command.loss.image_weight = command.loss_weights[0];
  command.loss.caption_weight = command.loss_weights[1];
  command.loss.paraphrase_weight = command.loss_weights[2];
  command.train.precision = parse_precision(command.precision);
  if (!command.memory.empty()) command.train.memory = parse_memory(command.memory, "--memory");
  command.train.validate();
  check_objective(command);
  if (command.objective == "clip") {
    if (command.ranks->size() > 1) {
      fail(ErrorKind::kUsage, "--objective clip trains in one process, not in {}",
           command.ranks->size());
    }
    command.pairs.direction = command.loss.direction;
    command.pairs.mask_identical = command.loss.mask_identical;
    train_on_pairs(app, command);
  } else {
    train_on_triples(app, command);
  }
}

}  // namespace

void define_train(CLI::App& app) {
  auto command = std::make_shared<TrainCommand>();
  add_options(app, *command);
  app.callback([&app, command] {
    const auto ranks = Communicator::create();
    command->ranks = ranks.get();
    ranks->run([&] { run(app, *command); });
  });
}

}  // namespace paraclip::cli
