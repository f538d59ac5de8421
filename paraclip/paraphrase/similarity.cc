#include "paraclip/paraphrase/similarity.h"

#include "paraclip/base/error.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace paraclip {

SimilarityCheck::SimilarityCheck(const ModelSource& model, double least)
    : model_(TextModel::load(model)), least_(least) {
  if (!(least >= -1 && least <= 1)) {
    fail(ErrorKind::kUsage, "--min-similarity: expected a cosine between -1 and 1");
  }
}

bool SimilarityCheck::alike(const std::string& caption, const std::string& output) const {
  const at::Tensor a = model_.encode({caption});
  const at::Tensor b = model_.encode({output});
  return at::sum(a * b).item<double>() >= least_;
}

std::string SimilarityCheck::fingerprint() const {
  return fmt::format("{} {}", model_.fingerprint(), least_);
}

}  // namespace paraclip
