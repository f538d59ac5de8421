#include "paraclip/eval/images_at_hand.h"

#include <fmt/format.h>

namespace paraclip {

std::string ImagesAtHand::missing() const {
  return fmt::format("{} of {} images, such as {}",
                     with_commas(total - static_cast<int64_t>(rows.size())), with_commas(total),
                     first_missing);
}

std::string ImagesAtHand::suffix() const {
  return fmt::format(" ({} of {} images)", with_commas(static_cast<int64_t>(rows.size())),
                     with_commas(total));
}

ImagesAtHand find_images(const BenchmarkData& data, std::span<const EvalImage> images) {
  ImagesAtHand found;
  found.total = static_cast<int64_t>(images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    if (data.has_image(images[i])) {
      found.rows.push_back(static_cast<int64_t>(i));
    } else if (found.first_missing.empty()) {
      found.first_missing = images[i].id;
    }
  }
  return found;
}

std::string image_remedy(const BenchmarkData& data, const std::filesystem::path& folder,
                         const std::string& fetch) {
  std::string files = fmt::format("put them into {}", folder.string());
  if (!fetch.empty()) files = fmt::format("paraclip data fetch {}, or {}", fetch, files);
  if (!data.image_tower) files = fmt::format("use a model with an image tower and {}", files);
  return fmt::format("give embeddings with these ids, or {}", files);
}

std::string with_commas(int64_t number) {
  const std::string digits = fmt::format("{}", number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

}  // namespace paraclip
