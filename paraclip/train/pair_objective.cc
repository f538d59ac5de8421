#include "paraclip/train/pair_objective.h"

#include "paraclip/base/error.h"
#include "paraclip/base/random.h"
#include "paraclip/image/decode.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

namespace paraclip {
namespace {

struct PairBatch : PreparedBatch {
  at::Tensor pixels;
  PackedText texts;
  PairIdentities identities;
};

}  // namespace

void PairOptions::validate() const {
  if (!(min_crop_scale > 0 && min_crop_scale <= 1)) {
    fail(ErrorKind::kUsage, "--min-crop-scale: expected a share above 0 and up to 1");
  }
  if (max_pixels < 1) fail(ErrorKind::kUsage, "--max-image-pixels: expected at least 1");
}

at::Tensor load_pixels(const PairSet& set, std::span<const int64_t> images,
                       const Preprocessing& preprocessing, const PairOptions& options,
                       std::optional<uint64_t> draw) {
  const auto count = static_cast<int64_t>(images.size());
  const int64_t size = preprocessing.image_size;
  at::Tensor pixels = at::empty({count, 3, size, size}, at::kFloat);
  float* out = pixels.mutable_data_ptr<float>();
  const auto area = static_cast<size_t>(3 * size * size);
  at::parallel_for(0, count, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = images[static_cast<size_t>(i)];
      const std::string bytes = set.bytes(image);
      const Image decoded =
          decode_image(std::as_bytes(std::span(bytes)), set.name(image), options.max_pixels);
      const std::span<float> target(out + static_cast<size_t>(i) * area, area);
      if (draw) {
        random_resized_crop(decoded, preprocessing, options.min_crop_scale,
                            mix64(*draw + static_cast<uint64_t>(i)), target);
      } else {
        preprocess(decoded, preprocessing, target);
      }
    }
  });
  return pixels;
}

PairObjective::PairObjective(TextModel& text, VisionTower& vision, const PairSet& set,
                             const Preprocessing& preprocessing, const PairOptions& options)
    : text_(text), vision_(vision), set_(set), preprocessing_(preprocessing), options_(options) {
  options_.validate();
  if (preprocessing_.image_size != vision_.config().image_size) {
    fail(ErrorKind::kData, "the preprocessing gives images of {} pixels, the image tower takes {}",
         preprocessing_.image_size, vision_.config().image_size);
  }
}

Json PairObjective::identity() const {
  Json json = Json::object();
  json["images"] = set_.fingerprint();
  json["preprocessing"] = preprocessing_.to_json();
  json["min-crop-scale"] = options_.min_crop_scale;
  json["loss-direction"] = static_cast<int>(options_.direction);
  json["mask-identical"] = options_.mask_identical;
  return json;
}

std::unique_ptr<PreparedBatch> PairObjective::prepare(const std::vector<int64_t>& samples,
                                                      uint64_t draw) const {
  auto batch = std::make_unique<PairBatch>();
  std::vector<std::vector<int64_t>> texts;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto [first, end] = set_.captions(samples[i]);
    const uint64_t choice = mix64(~draw + i) % static_cast<uint64_t>(end - first);
    const int64_t caption = first + static_cast<int64_t>(choice);
    texts.push_back(set_.tokens(caption));
    batch->identities.a.push_back(samples[i]);
    batch->identities.b.push_back(set_.identity(caption));
  }
  batch->pixels = load_pixels(set_, samples, preprocessing_, options_, draw);
  batch->texts = pack(texts, text_.config().text);
  return batch;
}

StepLoss PairObjective::accumulate_gradients(PreparedBatch& prepared) {
  const auto& batch = static_cast<const PairBatch&>(prepared);
  const at::Tensor images = normalize_rows(vision_.forward(batch.pixels));
  const at::Tensor captions = normalize_rows(text_.tower().forward(batch.texts));
  const at::Tensor loss =
      info_nce(images, captions, text_.tower().logit_scale(), options_.direction,
               options_.mask_identical ? &batch.identities : nullptr);
  StepLoss result;
  result.total = loss.item<double>();
  result.tokens = batch.texts.tokens;
  if (std::isfinite(result.total)) loss.backward();
  return result;
}

}  // namespace paraclip
