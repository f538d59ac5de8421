#include "paraclip/clip/merge.h"

#include "paraclip/base/file.h"
#include "tests/support.h"

#include <ATen/ATen.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using test::error_of;

const fs::path kGolden = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/vision";

// A fine-tune of a golden model: its text tower moved at random.
fs::path tuned_from(const fs::path& base, const fs::path& target) {
  const TextModel model = TextModel::load({base});
  for (const auto& [name, tensor] : model.tower().parameters()) {
    at::Tensor(tensor).add_(at::randn_like(tensor), 0.01);
  }
  fs::create_directories(target);
  model.save(target);
  return target;
}

TEST(Merge, IsEitherModelAtTheEndsAndBetweenThemBetween) {
  const test::TemporaryFolder folder;
  for (const char* form : {"hf", "open_clip"}) {
    const fs::path base = kGolden / "gelu" / form;
    const fs::path tuned = tuned_from(base, folder / form);
    Merge merge({base}, {tuned});
    const TextModel a = TextModel::load({base}), b = TextModel::load({tuned});
    merge.set(1);
    EXPECT_EQ(merge.model().fingerprint(), b.fingerprint());
    merge.set(0);
    EXPECT_EQ(merge.model().fingerprint(), a.fingerprint());
    merge.set(0.25);
    for (size_t i = 0; i < a.tower().parameters().size(); ++i) {
      const at::Tensor expected =
          0.75 * a.tower().parameters()[i].second + 0.25 * b.tower().parameters()[i].second;
      EXPECT_TRUE(at::allclose(merge.model().tower().parameters()[i].second, expected, 1e-6, 1e-7));
    }
    const fs::path output = folder / (std::string(form).append("-merged"));
    merge.save(output);
    EXPECT_EQ(TextModel::load({output}).fingerprint(), merge.model().fingerprint());
    EXPECT_NE(read_file(output / "README.md").find("0.25 of the way"), std::string::npos);
    EXPECT_NE(error_of([&] { merge.save(output); }).find("exists"), std::string::npos);
  }
}

TEST(Merge, RefusesWhatDoesNotBelongTogether) {
  const test::TemporaryFolder folder;
  const fs::path base = kGolden / "gelu" / "hf";
  EXPECT_NE(error_of([&] { Merge({base}, {kGolden / "quick_gelu" / "hf"}); }).find("cannot merge"),
            std::string::npos);
  Merge merge({base}, {base});
  EXPECT_NE(error_of([&] { merge.set(1.5); }).find("--alpha 1.5"), std::string::npos);
}

TEST(Merge, RefusesAnotherImageTower) {
  const test::TemporaryFolder folder;
  const fs::path base = kGolden / "gelu" / "hf";
  const TextModel model = TextModel::load({base});
  const ModelFiles files = ModelFiles::open({base});
  std::vector<NamedTensor> vision = read_vision_tensors(files);
  vision.front().second = vision.front().second + 1.0;
  fs::create_directories(folder / "other");
  const VisionTower tower(*files.config.vision, vision);
  model.save(folder / "other", &tower);
  EXPECT_NE(error_of([&] { Merge({base}, {folder / "other"}); }).find("the image tower"),
            std::string::npos);
}

}  // namespace
}  // namespace paraclip
