#include "paraclip/train/triple_objective.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>

namespace paraclip {

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

StepLoss TripleObjective::loss(const std::vector<int64_t>& samples, uint64_t /*draw*/) {
  TripleBatch batch;
  std::vector<std::vector<int64_t>> texts;
  texts.reserve(samples.size() * TrainingSet::kParts);
  std::vector<int64_t>* identities[] = {&batch.caption_ids, &batch.paraphrase_1_ids,
                                        &batch.paraphrase_2_ids};
  for (const auto part :
       {TrainingSet::kCaption, TrainingSet::kParaphrase1, TrainingSet::kParaphrase2}) {
    for (const int64_t sample : samples) {
      texts.push_back(set_.tokens(sample, part));
      identities[part]->push_back(set_.identity(sample, part));
    }
  }
  for (const int64_t sample : samples) batch.image_ids.push_back(set_.image_row(sample));
  batch.image = images_.rows(batch.image_ids);

  const PackedText packed = pack(texts, model_.config().text);
  const std::vector<at::Tensor> parts =
      normalize_rows(model_.tower().forward(packed)).chunk(TrainingSet::kParts);
  batch.caption = parts[TrainingSet::kCaption];
  batch.paraphrase_1 = parts[TrainingSet::kParaphrase1];
  batch.paraphrase_2 = parts[TrainingSet::kParaphrase2];

  const ParaclipLoss loss = paraclip_loss(batch, model_.tower().logit_scale(), options_);
  return {loss.total,
          {{"loss_image", loss.image.item<double>()},
           {"loss_caption", loss.caption.item<double>()},
           {"loss_paraphrase", loss.paraphrase.item<double>()}},
          packed.tokens()};
}

}  // namespace paraclip
