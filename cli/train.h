#pragma once

#include "cli/common.h"
#include "paraclip/eval/retrieval_data.h"
#include "paraclip/train/communicator.h"
#include "paraclip/train/losses.h"
#include "paraclip/train/pair_objective.h"
#include "paraclip/train/trainer.h"

#include <filesystem>
#include <string>
#include <vector>

namespace paraclip::cli {

/// What `paraclip train` is told.
struct TrainCommand {
  CommonOptions common;
  Communicator* ranks = nullptr;  ///< Of the processes that train together.
  std::string objective = "paraclip";
  std::string unlock;
  TrainOptions train;
  LossOptions loss;
  std::vector<double> loss_weights = {1.0, 1.0, 1.0};
  std::string precision = "fp32";
  std::string memory;  // Empty: default_memory().
  bool from_scratch = false;
  ModelOption model;

  // --objective paraclip
  std::filesystem::path triples, image_embeddings;
  RetrievalOptions eval;
  double max_missing = 0.0;
  std::filesystem::path token_cache;  // Empty: the default one.
  bool no_token_cache = false;

  // --objective clip
  std::string images, val_images;  // A folder, or shards.
  std::filesystem::path captions, val_captions;
  PairOptions pairs;
};

/// Fine-tunes the text tower on triples, or trains both towers on images and captions: loads,
/// checks, trains and prints the result. Throws as the library does.
void train_on_triples(const CLI::App& app, TrainCommand& command);
void train_on_pairs(const CLI::App& app, TrainCommand& command);

/// Trains to the end; rank 0 prints what came of it, as a table or as JSON with `data` in it.
void run_and_report(Trainer& trainer, const TrainCommand& command, const Json& data);

}  // namespace paraclip::cli
