#include "cli/train.h"
#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/embed/shard_list.h"
#include "paraclip/eval/retrieval.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

namespace paraclip::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBatch = 128;
constexpr int64_t kDepths[] = {1, 5, 10};

PairSet load_pairs(const std::string& images, const fs::path& captions, const char* option,
                   const TextModel& model, const ProgressCallback& progress) {
  if (fs::is_directory(images)) {
    if (captions.empty()) {
      fail(ErrorKind::kUsage, "{} is a folder of images: their captions are needed, with {}",
           images, option);
    }
    return PairSet::from_folder(images, captions, model, progress);
  }
  if (!captions.empty()) {
    fail(ErrorKind::kUsage, "{} has no meaning with shards, which hold their captions", option);
  }
  const std::vector<std::string> shards = expand_shards(images);
  return PairSet::from_shards({shards.begin(), shards.end()}, model, progress);
}

// Recall over held-out pairs, each caption a query among all images.
Json evaluate_pairs(const PairSet& set, const TextModel& text, const VisionTower& vision,
                    const Preprocessing& preprocessing, const PairOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> image_rows, text_rows;
  std::vector<int64_t> image_of_text, identities;
  for (int64_t begin = 0; begin < set.size(); begin += kBatch) {
    std::vector<int64_t> images(static_cast<size_t>(std::min(kBatch, set.size() - begin)));
    std::iota(images.begin(), images.end(), begin);
    image_rows.push_back(normalize_rows(
        vision.forward(load_pixels(set, images, preprocessing, options, std::nullopt))));
    std::vector<std::vector<int64_t>> tokens;
    for (const int64_t image : images) {
      const auto [first, end] = set.captions(image);
      for (int64_t caption = first; caption < end; ++caption) {
        tokens.push_back(set.tokens(caption));
        image_of_text.push_back(image);
        identities.push_back(set.identity(caption));
      }
    }
    text_rows.push_back(normalize_rows(text.tower().forward(pack(tokens, text.config().text))));
  }
  const at::Tensor images = at::cat(image_rows), texts = at::cat(text_rows);
  const std::vector<Rank> to_image = text_to_image_ranks(texts, images, image_of_text);
  const std::vector<Rank> to_text = image_to_text_ranks(texts, images, image_of_text, identities);
  Json metrics = Json::object();
  for (const int64_t k : kDepths) {
    if (k > set.size()) continue;
    metrics[fmt::format("t2i_recall@{}", k)] = recall_percent(to_image, k);
    metrics[fmt::format("i2t_recall@{}", k)] = recall_percent(to_text, k);
  }
  return metrics;
}

}  // namespace

void train_on_pairs(const CLI::App& app, TrainCommand& command) {
  const ProgressCallback progress = make_progress(command.common);
  const ModelSource source = find_model(command.model, command.common);
  const ModelFiles files = ModelFiles::open(source);
  const VisionConfig& config = files.need_vision();
  const uint64_t seed = command.train.seed;
  TextModel model =
      command.from_scratch ? TextModel::initialize(source, seed) : TextModel::load(source);
  VisionTower vision(config, command.from_scratch
                                 ? initial_tensors(vision_tensor_names(config), config.width,
                                                   config.layers, /*logit_scale=*/0, seed + 1)
                                 : read_vision_tensors(files));
  const Preprocessing preprocessing = read_preprocessing(files);

  const PairSet set = load_pairs(command.images, command.captions, "--captions", model, progress);
  std::optional<PairSet> held_out;
  if (!command.val_images.empty()) {
    held_out =
        load_pairs(command.val_images, command.val_captions, "--val-captions", model, progress);
  }
  log().info("{} images to train on, {} samples left out, {} captions truncated", set.size(),
             set.left_out(), set.truncated());

  Evaluator evaluate;
  if (!held_out && (!command.train.guard_metric.empty() || command.train.patience > 0)) {
    fail(ErrorKind::kUsage, "--guard-metric and --patience need --val-images beside them");
  }
  if (held_out) {
    evaluate = [&](const TextModel& current) {
      return evaluate_pairs(*held_out, current, vision, preprocessing, command.pairs);
    };
  }
  PairObjective objective(model, vision, set, preprocessing, command.pairs);
  Trainer trainer(objective, command.train, evaluate, progress);
  make_directories(command.train.output);
  write_effective_config(app, command.train.output);
  Json data = Json::object();
  data["images"] = set.size();
  data["left_out"] = set.left_out();
  data["truncated_texts"] = set.truncated();
  run_and_report(trainer, command, data);
}

}  // namespace paraclip::cli
