#include "paraclip/eval/retrieval.h"

#include "paraclip/eval/top_k.h"

#include <algorithm>
#include <set>
#include <utility>

namespace paraclip {
namespace {

// The place of the first item of each list that `is_target(row, item)` accepts.
template <typename IsTarget>
std::vector<Rank> first_hits(const at::Tensor& lists, const IsTarget& is_target) {
  const int64_t depth = lists.size(1);
  const int64_t* item = lists.const_data_ptr<int64_t>();
  std::vector<Rank> ranks(static_cast<size_t>(lists.size(0)), 0);
  for (size_t row = 0; row < ranks.size(); ++row, item += depth) {
    const int64_t* hit = std::find_if(item, item + depth, [&](int64_t candidate) {
      return is_target(static_cast<int64_t>(row), candidate);
    });
    if (hit != item + depth) ranks[row] = hit - item + 1;
  }
  return ranks;
}

}  // namespace

std::vector<Rank> text_to_image_ranks(const at::Tensor& texts, const at::Tensor& images,
                                      std::span<const int64_t> image_of_text, int64_t depth) {
  return first_hits(top_k(texts, images, depth).indices, [&](int64_t text, int64_t image) {
    return image_of_text[static_cast<size_t>(text)] == image;
  });
}

std::vector<Rank> image_to_text_ranks(const at::Tensor& texts, const at::Tensor& images,
                                      std::span<const int64_t> image_of_text,
                                      std::span<const int64_t> text_identity, int64_t depth) {
  std::set<std::pair<int64_t, int64_t>> right;  // (image, identity of a text of it)
  for (size_t row = 0; row < image_of_text.size(); ++row)
    right.emplace(image_of_text[row], text_identity[row]);
  return first_hits(top_k(images, texts, depth).indices, [&](int64_t image, int64_t text) {
    return right.contains({image, text_identity[static_cast<size_t>(text)]});
  });
}

double recall_percent(std::span<const Rank> ranks, int64_t k) {
  const auto hits =
      std::count_if(ranks.begin(), ranks.end(), [k](Rank rank) { return 1 <= rank && rank <= k; });
  return 100.0 * static_cast<double>(hits) / static_cast<double>(ranks.size());
}

}  // namespace paraclip
