#include "paraclip/train/triple_objective.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>

#include <cmath>

namespace paraclip {
namespace {

struct PackedTriples : PreparedBatch {
  PackedText texts;     // All captions, then all first and all second paraphrases.
  TripleBatch triples;  // Embeddings of the images, and all identities.
};

}  // namespace

TripleObjective::TripleObjective(TextModel& model, const TrainingSet& set,
                                 const ImageEmbeddings& images, const LossOptions& options)
    : model_(model), set_(set), images_(images), options_(options) {
  options_.validate();
  if (images_.width() != model_.config().text.projection_dim) {
    fail(ErrorKind::kData,
         "the image embeddings are {} wide, but the model {} embeds texts in {} dimensions: they "
         "come from another model",
         images_.width(), model_.files().path.string(), model_.config().text.projection_dim);
  }
}

Json TripleObjective::identity() const {
  Json json = Json::object();
  json["triples"] = set_.fingerprint();
  json["loss-weights"] = {options_.image_weight, options_.caption_weight,
                          options_.paraphrase_weight};
  json["loss-direction"] = static_cast<int>(options_.direction);
  json["mask-identical"] = options_.mask_identical;
  return json;
}

std::unique_ptr<PreparedBatch> TripleObjective::prepare(const std::vector<int64_t>& samples,
                                                        uint64_t /*draw*/) const {
  auto batch = std::make_unique<PackedTriples>();
  TripleBatch& triples = batch->triples;
  std::vector<std::vector<int64_t>> texts;
  texts.reserve(samples.size() * TrainingSet::kParts);
  std::vector<int64_t>* identities[] = {&triples.caption_ids, &triples.paraphrase_1_ids,
                                        &triples.paraphrase_2_ids};
  for (const auto part :
       {TrainingSet::kCaption, TrainingSet::kParaphrase1, TrainingSet::kParaphrase2}) {
    for (const int64_t sample : samples) {
      texts.push_back(set_.tokens(sample, part));
      identities[part]->push_back(set_.identity(sample, part));
    }
  }
  for (const int64_t sample : samples) triples.image_ids.push_back(set_.image_row(sample));
  triples.image = images_.rows(triples.image_ids);
  batch->texts = pack(texts, model_.config().text);
  return batch;
}

StepLoss TripleObjective::accumulate_gradients(PreparedBatch& prepared) {
  const PackedText& texts = static_cast<PackedTriples&>(prepared).texts;
  TripleBatch& batch = static_cast<PackedTriples&>(prepared).triples;
  const std::vector<at::Tensor> parts =
      normalize_rows(model_.tower().forward(texts)).chunk(TrainingSet::kParts);
  batch.caption = parts[TrainingSet::kCaption];
  batch.paraphrase_1 = parts[TrainingSet::kParaphrase1];
  batch.paraphrase_2 = parts[TrainingSet::kParaphrase2];

  const ParaclipLoss loss = paraclip_loss(batch, model_.tower().logit_scale(), options_);
  const StepLoss result = {loss.total.item<double>(),
                           {{"loss_image", loss.image.item<double>()},
                            {"loss_caption", loss.caption.item<double>()},
                            {"loss_paraphrase", loss.paraphrase.item<double>()}},
                           texts.tokens};
  if (std::isfinite(result.total)) loss.total.backward();
  return result;
}

}  // namespace paraclip
