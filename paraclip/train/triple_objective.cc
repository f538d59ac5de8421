#include "paraclip/train/triple_objective.h"

#include "paraclip/base/error.h"
#include "paraclip/base/memory.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace paraclip {
namespace {

// Rows of a chunk, about: its matrices fit into a level-3 cache, and adding up the gradients of
// weights once a chunk costs little beside computing them.
constexpr int64_t kChunkRows = 2240;

// Some texts of a batch, and their places among all: captions, then first and second paraphrases.
struct Chunk {
  PackedText texts;
  at::Tensor places;  // [texts] int64
};

struct TripleChunks : PreparedBatch {
  TripleBatch triples;  // Without embeddings of texts.
  std::vector<Chunk> chunks;
  std::vector<Chunk> captions;  // Where they are embedded by the base too.
  int64_t texts = 0, tokens = 0;
};

// Texts with common beginnings come together, so that they share rows.
std::vector<Chunk> cut(const std::vector<std::vector<int64_t>>& texts, const TextConfig& config) {
  std::vector<int64_t> order(texts.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto text = [&](int64_t place) -> const auto& { return texts[static_cast<size_t>(place)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return text(a) < text(b); });
  std::vector<Chunk> chunks;
  for (size_t begin = 0; begin < order.size();) {
    std::vector<std::vector<int64_t>> some;
    int64_t rows = 0;
    size_t end = begin;
    while (end < order.size()) {
      const auto& next = text(order[end]);
      auto fresh = static_cast<int64_t>(next.size());
      if (!some.empty()) {
        fresh =
            next.end() -
            std::mismatch(next.begin(), next.end(), some.back().begin(), some.back().end()).first;
      }
      if (!some.empty() && rows + fresh > kChunkRows) break;
      some.push_back(next);
      rows += fresh;
      ++end;
    }
    chunks.push_back(
        {pack(some, config),
         at::tensor(at::ArrayRef<int64_t>(order.data() + begin, end - begin), at::kLong)});
    begin = end;
  }
  return chunks;
}

// The gradient through x / |x|, row by row: (g - u (u . g)) / |x|.
at::Tensor through_norm(const at::Tensor& unit, const at::Tensor& lengths, at::Tensor gradient) {
  const at::Tensor along = (unit * gradient).sum(1, /*keepdim=*/true);
  return gradient.addcmul_(unit, along, -1).div_(lengths);
}

std::unique_ptr<TextTower> copy_of(const TextTower& tower) {
  std::vector<NamedTensor> parameters;
  for (const auto& [name, tensor] : tower.parameters()) {
    parameters.emplace_back(name, tensor.detach().clone());
  }
  auto copy = std::make_unique<TextTower>(tower.config(), std::move(parameters));
  copy->set_precision(tower.precision());
  return copy;
}

}  // namespace

TripleObjective::TripleObjective(TextModel& model, const TrainingSet& set,
                                 const ImageEmbeddings& images, const LossOptions& options,
                                 int64_t memory, Communicator* ranks)
    : model_(model),
      set_(set),
      images_(images),
      options_(options),
      memory_(memory),
      alone_(ranks == nullptr ? Communicator::single() : nullptr),
      ranks_(ranks == nullptr ? *alone_ : *ranks) {
  options_.validate();
  if (options_.anchor_weight > 0) base_ = copy_of(model_.tower());
  resident_before_ = resident_bytes();
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
  json["anchor-weight"] = options_.anchor_weight;
  json["precision"] = to_string(model_.tower().precision());
  return json;
}

std::unique_ptr<PreparedBatch> TripleObjective::prepare(const std::vector<int64_t>& samples,
                                                        uint64_t /*draw*/) const {
  auto batch = std::make_unique<TripleChunks>();
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
  batch->chunks = cut(texts, model_.config().text);
  batch->texts = static_cast<int64_t>(texts.size());
  if (base_) {
    texts.resize(samples.size());
    batch->captions = cut(texts, model_.config().text);
  }
  for (const Chunk& chunk : batch->chunks) batch->tokens += chunk.texts.tokens;
  return batch;
}

// What is left of the memory for the tapes of chunks, after all else that a run takes.
int64_t TripleObjective::memory_for_tapes(int64_t texts, int64_t largest_tape) const {
  int64_t weights = 0;
  for (const auto& [name, tensor] : model_.tower().parameters()) weights += tensor.numel() * 4;
  // Gradients, two moments, and packed copies for both passes at most.
  const int64_t state = 5 * weights;
  // Embeddings of the texts and images, their gradients, and copies for the products of the loss.
  const int64_t embeddings = 6 * texts * images_.width() * 4 * ranks_.size();
  // A backward pass needs about as much as one tape for its own matrices.
  const int64_t needed = resident_before_ + state + embeddings + 2 * largest_tape;
  if (needed > memory_) {
    constexpr double kGigabyte = 1e9;
    fail(ErrorKind::kUsage,
         "--memory {:.1f}GB is too little: this model with batches of {} texts needs about {:.1f} "
         "GB",
         static_cast<double>(memory_) / kGigabyte, texts, static_cast<double>(needed) / kGigabyte);
  }
  return memory_ - needed + largest_tape;
}

// Adds the anchor's gradient to that of this rank's captions, unit rows, and gives its mean over
// all ranks' before weighting.
double TripleObjective::add_anchor(const PreparedBatch& batch, const at::Tensor& captions,
                                   at::Tensor& gradient) const {
  const at::NoGradGuard no_grad;
  at::Tensor base = at::empty_like(captions);
  for (const Chunk& chunk : static_cast<const TripleChunks&>(batch).captions) {
    base.index_copy_(0, chunk.places, normalize_rows(base_->forward(chunk.texts)));
  }
  const double count = static_cast<double>(captions.size(0) * ranks_.size());
  double loss = (captions.size(0) - (captions * base).sum(at::kDouble).item<double>()) / count;
  ranks_.all_reduce_sum(std::span(&loss, 1));
  gradient.add_(base, -options_.anchor_weight / count);
  return loss;
}

StepLoss TripleObjective::accumulate_gradients(PreparedBatch& prepared) {
  auto& batch = static_cast<TripleChunks&>(prepared);
  const TextTower& tower = model_.tower();
  std::vector<int64_t> tapes;
  for (const Chunk& chunk : batch.chunks) tapes.push_back(tower.tape_bytes(chunk.texts));
  const bool bounded = memory_ != kUnbounded;
  int64_t left =
      bounded ? memory_for_tapes(batch.texts, *std::max_element(tapes.begin(), tapes.end())) : 0;

  // Forward, with what the backward pass needs for the chunks that fit.
  at::Tensor unit = at::empty({batch.texts, images_.width()}, at::kFloat);
  std::vector<at::Tensor> kept(batch.chunks.size());
  for (size_t i = 0; i < batch.chunks.size(); ++i) {
    const Chunk& chunk = batch.chunks[i];
    const bool keeps = !bounded || tapes[i] <= left;
    if (keeps) left -= tapes[i];
    const at::AutoGradMode mode(keeps);
    const at::Tensor embeddings = tower.forward(chunk.texts);
    if (keeps) kept[i] = embeddings;
    unit.index_copy_(0, chunk.places, embeddings.detach());
  }
  const at::Tensor lengths = unit.norm(2, {1}, /*keepdim=*/true).clamp_min_(1e-12);
  unit.div_(lengths);

  const std::vector<at::Tensor> parts = unit.chunk(TrainingSet::kParts);
  batch.triples.caption = parts[TrainingSet::kCaption];
  batch.triples.paraphrase_1 = parts[TrainingSet::kParaphrase1];
  batch.triples.paraphrase_2 = parts[TrainingSet::kParaphrase2];
  const at::Tensor& scale = tower.logit_scale();
  TripleLoss loss = paraclip_loss(batch.triples, scale.detach().item<double>(), options_, ranks_);
  StepLoss result = {loss.total,
                     {{"loss_image", loss.image},
                      {"loss_caption", loss.caption},
                      {"loss_paraphrase", loss.paraphrase}},
                     batch.tokens};
  if (base_) {
    const double anchor = add_anchor(batch, batch.triples.caption, loss.caption_gradient);
    result.parts.emplace_back("loss_anchor", anchor);
    result.total += options_.anchor_weight * anchor;
  }
  if (!std::isfinite(result.total)) return result;

  if (scale.requires_grad()) {
    at::Tensor& gradient = scale.mutable_grad();
    if (!gradient.defined()) gradient = at::zeros_like(scale);
    // Every rank knows all of it: each adds its share to the sum over ranks.
    gradient.add_(loss.logit_scale_gradient / ranks_.size());
  }
  const at::Tensor gradients = through_norm(
      unit, lengths,
      at::cat({loss.caption_gradient, loss.paraphrase_1_gradient, loss.paraphrase_2_gradient}));
  for (size_t i = 0; i < batch.chunks.size(); ++i) {
    const Chunk& chunk = batch.chunks[i];
    at::Tensor embeddings = std::move(kept[i]);
    if (!embeddings.defined()) embeddings = tower.forward(chunk.texts);
    embeddings.backward(gradients.index_select(0, chunk.places));
  }
  return result;
}

}  // namespace paraclip
