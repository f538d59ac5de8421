#include "paraclip/clip/packed_text.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

namespace paraclip {

at::Tensor PackedText::last_rows() const { return offsets.slice(0, 1) - 1; }

size_t pooled_length(std::span<const int64_t> ids, const TextConfig& config) {
  const auto pooled = config.pooling == Pooling::kHighestId
                          ? std::max_element(ids.begin(), ids.end())
                          : std::find(ids.begin(), ids.end(), config.end_token);
  // transformers takes the argmax of an all-false comparison: the first token.
  return pooled == ids.end() ? 1 : static_cast<size_t>(pooled - ids.begin()) + 1;
}

PackedText pack(std::span<const std::vector<int64_t>> texts, const TextConfig& config) {
  std::vector<int64_t> offsets = {0};
  PackedText packed;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto& ids = texts[i];
    if (ids.empty() || ids.size() > static_cast<size_t>(config.context_length)) {
      fail(ErrorKind::kData, "text {} of the batch has {} tokens, expected 1 to {}", i, ids.size(),
           config.context_length);
    }
    for (const int64_t id : ids) {
      if (id < 0 || id >= config.vocabulary_size) {
        fail(ErrorKind::kData,
             "text {} of the batch holds token id {}, but the model's vocabulary has {} entries: "
             "the tokenizer and the model do not belong together",
             i, id, config.vocabulary_size);
      }
    }
    const auto length = static_cast<int64_t>(pooled_length(ids, config));
    offsets.push_back(offsets.back() + length);
    packed.max_length = std::max(packed.max_length, length);
  }
  packed.ids = at::empty({offsets.back()}, at::kLong);
  packed.positions = at::empty({offsets.back()}, at::kLong);
  packed.offsets = at::empty({static_cast<int64_t>(offsets.size())}, at::kLong);
  std::copy(offsets.begin(), offsets.end(), packed.offsets.data_ptr<int64_t>());
  for (size_t i = 0; i < texts.size(); ++i) {
    const int64_t length = offsets[i + 1] - offsets[i];
    std::copy_n(texts[i].begin(), length, packed.ids.data_ptr<int64_t>() + offsets[i]);
    int64_t* positions = packed.positions.data_ptr<int64_t>() + offsets[i];
    std::iota(positions, positions + length, int64_t{0});
  }
  return packed;
}

}  // namespace paraclip
