#include "paraclip/clip/packed_text.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace paraclip {

at::Tensor PackedText::last_rows() const { return offsets.slice(0, 1) - 1; }

size_t pooled_length(std::span<const int64_t> ids, const TextConfig& config) {
  if (config.pooling == Pooling::kMean) return ids.size();
  const auto pooled = config.pooling == Pooling::kHighestId
                          ? std::max_element(ids.begin(), ids.end())
                          : std::find(ids.begin(), ids.end(), config.end_token);
  // transformers takes the argmax of an all-false comparison: the first token.
  return pooled == ids.end() ? 1 : static_cast<size_t>(pooled - ids.begin()) + 1;
}

namespace {

void check(std::span<const int64_t> ids, size_t text, const TextConfig& config) {
  if (ids.empty() || ids.size() > static_cast<size_t>(config.context_length)) {
    fail(ErrorKind::kData, "text {} of the batch has {} tokens, expected 1 to {}", text, ids.size(),
         config.context_length);
  }
  for (const int64_t id : ids) {
    if (id < 0 || id >= config.vocabulary_size) {
      fail(ErrorKind::kData,
           "text {} of the batch holds token id {}, but the model's vocabulary has {} entries: "
           "the tokenizer and the model do not belong together",
           text, id, config.vocabulary_size);
    }
  }
}

}  // namespace

PackedText pack(std::span<const std::vector<int64_t>> texts, const TextConfig& config) {
  // To RoBERTa a padding token is one wherever it stands, be it written out in the text: it is
  // masked, has no position of its own and is not pooled.
  const bool padded = config.architecture == TextArchitecture::kRoberta;
  const int64_t first_position = padded ? config.pad_token + 1 : 0;
  if (first_position + config.context_length > config.positions) {
    fail(ErrorKind::kData,
         "the model has {} positions, of which the first {} are not used: too few for texts of {} "
         "tokens",
         config.positions, first_position, config.context_length);
  }
  std::vector<int64_t> ids, positions, offsets = {0};
  PackedText packed;
  for (size_t i = 0; i < texts.size(); ++i) {
    check(texts[i], i, config);
    int64_t length = 0;
    for (const int64_t id : std::span(texts[i]).first(pooled_length(texts[i], config))) {
      if (padded && id == config.pad_token) continue;
      ids.push_back(id);
      positions.push_back(first_position + length++);
    }
    if (length == 0) {
      fail(ErrorKind::kData, "text {} of the batch has nothing but padding tokens (id {})", i,
           config.pad_token);
    }
    offsets.push_back(offsets.back() + length);
    packed.max_length = std::max(packed.max_length, length);
  }
  packed.ids = at::tensor(at::ArrayRef<int64_t>(ids), at::kLong);
  packed.positions = at::tensor(at::ArrayRef<int64_t>(positions), at::kLong);
  packed.offsets = at::tensor(at::ArrayRef<int64_t>(offsets), at::kLong);
  return packed;
}

}  // namespace paraclip
