#include "paraclip/clip/merge.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/clip/model_card.h"

#include <ATen/ATen.h>

#include <optional>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> image_fingerprint(const ModelFiles& files) {
  if (!files.config.vision || !files.weights) return std::nullopt;
  return vision_fingerprint(*files.config.vision, read_vision_tensors(files));
}

void check_pair(const TextModel& base, const TextModel& tuned) {
  const auto refuse = [&](const std::string& what, const std::string& of_base,
                          const std::string& of_tuned) {
    fail(
        ErrorKind::kData,
        "cannot merge {} and {}: {} is {} in the one and {} in the other; expected a model and one "
        "that was tuned from it",
        base.files().path.string(), tuned.files().path.string(), what, of_base, of_tuned);
  };
  const auto& a = base.tower().parameters();
  const auto& b = tuned.tower().parameters();
  if (a.size() != b.size()) {
    refuse("the number of text tensors", fmt::format("{}", a.size()), fmt::format("{}", b.size()));
  }
  const auto shape = [](const at::Tensor& tensor) {
    std::string text;
    for (const int64_t size : tensor.sizes()) text += fmt::format("[{}]", size);
    return text;
  };
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].first == b[i].first && a[i].second.sizes() == b[i].second.sizes()) continue;
    refuse(a[i].first, shape(a[i].second), b[i].first + " " + shape(b[i].second));
  }
  if (base.config().text.activation != tuned.config().text.activation) {
    refuse("the activation", to_string(base.config().text.activation),
           to_string(tuned.config().text.activation));
  }
  const auto of_base = image_fingerprint(base.files());
  const auto of_tuned = image_fingerprint(tuned.files());
  if (of_base && of_tuned && *of_base != *of_tuned) {
    refuse("the image tower", *of_base, *of_tuned);
  }
}

}  // namespace

Merge::Merge(const ModelSource& base, const ModelSource& tuned)
    : model_(TextModel::load(base)),
      tuned_(TextModel::load(tuned)),
      base_fingerprint_(model_.fingerprint()) {
  check_pair(model_, tuned_);
  for (const auto& [name, tensor] : model_.tower().parameters()) base_.push_back(tensor.clone());
}

void Merge::set(double alpha) {
  if (!(alpha >= 0 && alpha <= 1)) {
    fail(ErrorKind::kUsage,
         "--alpha {}: expected a number from 0 (the base) to 1 (the tuned model)", alpha);
  }
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < base_.size(); ++i) {
    // lerp() gives either end exactly.
    at::Tensor(model_.tower().parameters()[i].second)
        .copy_(at::lerp(base_[i], tuned_.tower().parameters()[i].second, alpha));
  }
  alpha_ = alpha;
}

void Merge::save(const fs::path& output) const {
  if (fs::exists(output)) {
    fail(ErrorKind::kUsage, "{} exists; choose a folder that does not", output.string());
  }
  model_.check_savable(/*text_only=*/false);
  ModelCard card;
  card.title = fs::absolute(output).lexically_normal().filename().string();
  card.summary = fmt::format(
      "A CLIP model ({}) whose text tower is {:g} of the way from {} to {} (WiSE-FT: every weight "
      "is "
      "base + alpha (tuned - base)). The image tower is the base's, byte for byte.",
      architecture_name(model_.config()), alpha_, model_.files().path.filename().string(),
      tuned_.files().path.filename().string());
  card.config = model_.config();
  card.tables.push_back({"Merge",
                         {"", ""},
                         {{"alpha", fmt::format("{:g}", alpha_)},
                          {"base, fingerprint of the text tower", base_fingerprint_},
                          {"tuned, fingerprint of the text tower", tuned_.fingerprint()}}});
  card.tables.push_back(architecture_table(model_.config(), {model_.fingerprint()}));
  make_directories(fs::absolute(output).parent_path());
  AtomicDirectory folder(output);
  model_.save(folder.temporary());
  write_file_atomic(folder.temporary() / "README.md", card.to_markdown());
  folder.commit();
}

}  // namespace paraclip
