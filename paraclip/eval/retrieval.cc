#include "paraclip/eval/retrieval.h"

#include "paraclip/eval/top_k.h"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace paraclip {

std::vector<Rank> text_to_image_ranks(const at::Tensor& texts, const at::Tensor& images,
                                      std::span<const int64_t> image_of_text) {
  std::vector<std::vector<int64_t>> targets;
  for (const int64_t image : image_of_text) targets.push_back({image});
  return best_ranks(texts, images, targets);
}

std::vector<Rank> image_to_text_ranks(const at::Tensor& texts, const at::Tensor& images,
                                      std::span<const int64_t> image_of_text,
                                      std::span<const int64_t> text_identity) {
  std::unordered_map<int64_t, std::vector<int64_t>> rows_of;  // Of each identity.
  std::vector<std::set<int64_t>> identities(static_cast<size_t>(images.size(0)));
  for (size_t row = 0; row < image_of_text.size(); ++row) {
    rows_of[text_identity[row]].push_back(static_cast<int64_t>(row));
    identities[static_cast<size_t>(image_of_text[row])].insert(text_identity[row]);
  }
  std::vector<std::vector<int64_t>> targets(identities.size());
  for (size_t image = 0; image < targets.size(); ++image) {
    for (const int64_t identity : identities[image]) {
      const std::vector<int64_t>& rows = rows_of[identity];
      targets[image].insert(targets[image].end(), rows.begin(), rows.end());
    }
  }
  return best_ranks(images, texts, targets);
}

double recall_percent(std::span<const Rank> ranks, int64_t k) {
  const auto hits = std::count_if(ranks.begin(), ranks.end(), [k](Rank rank) { return rank <= k; });
  return 100.0 * static_cast<double>(hits) / static_cast<double>(ranks.size());
}

}  // namespace paraclip
