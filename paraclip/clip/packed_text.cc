#include "paraclip/clip/packed_text.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

namespace paraclip {

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

// The tokens of a text that count.
std::vector<int64_t> counted(std::span<const int64_t> ids, size_t text, const TextConfig& config) {
  check(ids, text, config);
  const std::span<const int64_t> leading = ids.first(pooled_length(ids, config));
  std::vector<int64_t> result(leading.begin(), leading.end());
  // To RoBERTa a padding token is one wherever it stands, be it written out in the text: it is
  // masked, has no position of its own and is not pooled.
  if (config.architecture == TextArchitecture::kRoberta) std::erase(result, config.pad_token);
  if (result.empty()) {
    fail(ErrorKind::kData, "text {} of the batch has nothing but padding tokens (id {})", text,
         config.pad_token);
  }
  return result;
}

size_t common_prefix(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

// Prefixes are shared among so many texts: different groups can be attended to in parallel.
constexpr size_t kTextsSharing = 64;

}  // namespace

PackedText pack(std::span<const std::vector<int64_t>> texts, const TextConfig& config) {
  const bool shares = config.architecture == TextArchitecture::kClip;
  const int64_t first_position = shares ? 0 : config.pad_token + 1;
  if (first_position + config.context_length > config.positions) {
    fail(ErrorKind::kData,
         "the model has {} positions, of which the first {} are not used: too few for texts of {} "
         "tokens",
         config.positions, first_position, config.context_length);
  }
  std::vector<std::vector<int64_t>> tokens;
  for (size_t i = 0; i < texts.size(); ++i) tokens.push_back(counted(texts[i], i, config));
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (shares) {
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return tokens[a] < tokens[b]; });
  }
  PackedText packed;
  std::vector<int64_t> ids, positions;
  packed.end_of.resize(texts.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const std::vector<int64_t>& text = tokens[order[i]];
    const size_t shared =
        shares && i % kTextsSharing != 0 ? common_prefix(text, tokens[order[i - 1]]) : 0;
    for (size_t depth = shared; depth < text.size(); ++depth) {
      ids.push_back(text[depth]);
      positions.push_back(first_position + static_cast<int64_t>(depth));
      packed.depths.push_back(static_cast<int32_t>(depth));
    }
    // In this order a prefix of a text comes before it, and an equal text adds no row.
    const int64_t end = packed.rows() - 1;
    if (packed.ends.empty() || packed.ends.back() != end) packed.ends.push_back(end);
    packed.end_of[order[i]] = static_cast<int64_t>(packed.ends.size()) - 1;
    packed.tokens += static_cast<int64_t>(text.size());
    packed.max_length = std::max(packed.max_length, static_cast<int64_t>(text.size()));
  }
  packed.ids = at::tensor(at::ArrayRef<int64_t>(ids), at::kLong);
  packed.positions = at::tensor(at::ArrayRef<int64_t>(positions), at::kLong);
  return packed;
}

}  // namespace paraclip
