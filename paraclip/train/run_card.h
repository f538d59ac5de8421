#pragma once

#include "paraclip/clip/model_card.h"
#include "paraclip/train/checkpoint.h"
#include "paraclip/train/objective.h"

namespace paraclip {

/// The model card of a checkpoint: what it was made from and how (every option, the data's counts
/// and fingerprints), the metrics of the base and of the checkpoint, and whether embeddings of
/// images stay valid.
ModelCard card_of_run(Objective& objective, const TrainState& state, bool text_only);

}  // namespace paraclip
