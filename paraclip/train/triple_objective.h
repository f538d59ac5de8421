#pragma once

#include "paraclip/io/image_embeddings.h"
#include "paraclip/train/losses.h"
#include "paraclip/train/objective.h"
#include "paraclip/train/training_set.h"

namespace paraclip {

/// ParaCLIP's loss on triples with fixed image embeddings (Kim et al., EACL 2024): only the text
/// tower is trained.
class TripleObjective : public Objective {
 public:
  /// `model`, `set` and `images` must outlive it. Throws kUsage for bad options; kData when the
  /// embeddings are not as wide as the model's.
  TripleObjective(TextModel& model, const TrainingSet& set, const ImageEmbeddings& images,
                  const LossOptions& options);

  TextModel& text() override { return model_; }
  int64_t size() const override { return set_.size(); }
  std::string sample_name() const override { return "triples"; }
  Json identity() const override;
  std::unique_ptr<PreparedBatch> prepare(const std::vector<int64_t>& samples,
                                         uint64_t draw) const override;
  StepLoss accumulate_gradients(PreparedBatch& batch) override;

 private:
  TextModel& model_;
  const TrainingSet& set_;
  const ImageEmbeddings& images_;
  LossOptions options_;
};

}  // namespace paraclip
