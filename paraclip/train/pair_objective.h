#pragma once

#include "paraclip/image/preprocess.h"
#include "paraclip/train/losses.h"
#include "paraclip/train/objective.h"
#include "paraclip/train/pair_set.h"

namespace paraclip {

/// How images are drawn for training.
struct PairOptions {
  LossDirection direction = LossDirection::kSymmetric;
  bool mask_identical = false;  ///< Equal captions are no negatives of each other.
  double min_crop_scale = 0.9;  ///< Smallest share of an image's area that a crop takes; 1: all.
  int64_t max_pixels = 25'000'000;  ///< Of an image.

  /// Throws kUsage.
  void validate() const;
};

/// CLIP's own objective (Radford et al., 2021): the symmetric InfoNCE between images, randomly
/// cropped, and one of their captions. Both towers are trained.
class PairObjective : public Objective {
 public:
  /// `text`, `vision` and `set` must outlive it. Throws kUsage for bad options; kData when the
  /// preprocessing gives images of another size than the tower takes.
  PairObjective(TextModel& text, VisionTower& vision, const PairSet& set,
                const Preprocessing& preprocessing, const PairOptions& options);

  TextModel& text() override { return text_; }
  VisionTower* vision() override { return &vision_; }
  int64_t size() const override { return set_.size(); }
  std::string sample_name() const override { return "images"; }
  Json identity() const override;
  std::unique_ptr<PreparedBatch> prepare(const std::vector<int64_t>& samples,
                                         uint64_t draw) const override;
  StepLoss accumulate_gradients(PreparedBatch& batch) override;

 private:
  TextModel& text_;
  VisionTower& vision_;
  const PairSet& set_;
  Preprocessing preprocessing_;
  PairOptions options_;
};

/// Decodes and preprocesses images of a set, in parallel: [images, 3, size, size]. With `draw`,
/// random crops for training. Throws kData naming an image that cannot be decoded.
at::Tensor load_pixels(const PairSet& set, std::span<const int64_t> images,
                       const Preprocessing& preprocessing, const PairOptions& options,
                       std::optional<uint64_t> draw);

}  // namespace paraclip
