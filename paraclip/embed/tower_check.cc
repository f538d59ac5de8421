#include "paraclip/base/error.h"
#include "paraclip/clip/image_model.h"
#include "paraclip/embed/embedder.h"
#include "paraclip/io/image_embeddings.h"

namespace paraclip {

void check_image_tower(const std::filesystem::path& embeddings, const ModelSource& model) {
  const std::optional<std::string> made_by = image_tower_of(embeddings);
  if (!made_by) return;
  const ModelFiles files = ModelFiles::open(model);
  if (!files.config.vision) return;
  const std::string own = vision_fingerprint(*files.config.vision, read_vision_tensors(files));
  if (*made_by == own) return;
  fail(ErrorKind::kData,
       "the image embeddings in {} were made by the image tower {}, but the model {} has the image "
       "tower {}: its texts cannot be compared with them. Use the model that made them, or one "
       "trained from it, or embed the images again with `paraclip embed --model {}`",
       embeddings.string(), *made_by, model.path.string(), own, model.path.string());
}

}  // namespace paraclip
