#pragma once

#include "paraclip/io/image_embeddings.h"
#include "paraclip/train/communicator.h"
#include "paraclip/train/losses.h"
#include "paraclip/train/objective.h"
#include "paraclip/train/training_set.h"

#include <memory>

namespace paraclip {

/// ParaCLIP's loss on triples with fixed image embeddings (Kim et al., EACL 2024): only the text
/// tower is trained.
///
/// A batch's texts are computed in chunks. What a chunk's backward pass needs is kept for as many
/// chunks as the memory allows; the others' forward pass is done again when their turn comes (the
/// gradient cache of Gao et al., 2021). Chunks depend on the batch alone and are added up in their
/// order, so the result is the same, byte for byte, in any memory.
class TripleObjective : public Objective {
 public:
  /// No bound on memory.
  static constexpr int64_t kUnbounded = 0;

  /// @param memory bytes that the process may take, about; throws kUsage in the first step where
  /// not even one chunk fits
  ///
  /// The model as it is now, with its precision, is the base that the anchor loss holds on to.
  /// `model`, `set`, `images` and `ranks` must outlive it; without `ranks`, this process is alone.
  /// Throws kUsage for bad options; kData when the embeddings are not as wide as the model's.
  TripleObjective(TextModel& model, const TrainingSet& set, const ImageEmbeddings& images,
                  const LossOptions& options, int64_t memory = kUnbounded,
                  Communicator* ranks = nullptr);

  TextModel& text() override { return model_; }
  int64_t size() const override { return set_.size(); }
  std::string sample_name() const override { return "triples"; }
  Json identity() const override;
  std::unique_ptr<PreparedBatch> prepare(const std::vector<int64_t>& samples,
                                         uint64_t draw) const override;
  StepLoss accumulate_gradients(PreparedBatch& batch) override;

 private:
  int64_t memory_for_tapes(int64_t texts, int64_t largest_tape) const;
  double add_anchor(const PreparedBatch& batch, const at::Tensor& captions,
                    at::Tensor& gradient) const;

  TextModel& model_;
  const TrainingSet& set_;
  const ImageEmbeddings& images_;
  LossOptions options_;
  int64_t memory_;
  std::unique_ptr<Communicator> alone_;
  Communicator& ranks_;
  std::unique_ptr<TextTower> base_;  // With an anchor loss.
  int64_t resident_before_ = 0;      // Bytes that the process had when this was made.
};

}  // namespace paraclip
