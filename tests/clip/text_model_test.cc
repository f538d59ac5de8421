#include "paraclip/clip/text_model.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/clip/tensor_names.h"
#include "paraclip/io/safetensors.h"
#include "tests/support.h"

#include <ATen/ATen.h>

#include <functional>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

fs::path golden_model(const std::string& kind) {
  return fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip" / kind / "model";
}

std::string load_error(const fs::path& folder) {
  return test::error_of([&] { TextModel::load(folder); });
}

// A copy of a golden model whose tensors `change` has altered.
void write_changed(const fs::path& target, const std::string& kind,
                   const std::function<void(std::vector<NamedTensor>&)>& change) {
  fs::copy(golden_model(kind), target, fs::copy_options::recursive);
  const SafetensorsFile file = SafetensorsFile::open(golden_model(kind) / "model.safetensors");
  std::vector<NamedTensor> tensors;
  for (const std::string& name : file.names()) tensors.emplace_back(name, file.tensor(name));
  change(tensors);
  write_safetensors(target / "model.safetensors", tensors, {{"format", "pt"}});
}

TEST(TextModel, EncodesToUnitRowsWhateverTheBatch) {
  const TextModel model = TextModel::load(golden_model("full"));
  const std::vector<std::string> texts = {"a dog", "two cats on a red sofa in the sun", "",
                                          "a man with a guitar"};
  const at::Tensor together = model.encode(texts);
  EXPECT_EQ(together.size(0), 4);
  EXPECT_LT((together.norm(2, {1}) - 1).abs().max().item<double>(), 1e-6);
  const at::Tensor small_batches = model.encode(texts, /*batch_tokens=*/1);
  EXPECT_LT((together - small_batches).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(model.encode({}).size(0), 0);
}

TEST(TextModel, AllTensorsThatDoNotFitAreListedAtOnce) {
  const test::TemporaryFolder folder;
  write_changed(folder / "model", "full", [](std::vector<NamedTensor>& tensors) {
    std::erase_if(tensors, [](const NamedTensor& tensor) {
      return tensor.first == "text_model.final_layer_norm.bias" ||
             tensor.first == "text_model.encoder.layers.1.self_attn.k_proj.weight";
    });
    tensors.emplace_back("text_model.extra", at::zeros({2}));
    for (auto& [name, tensor] : tensors) {
      if (name == "text_projection.weight") tensor = at::zeros({3, 4});
      if (name == "text_model.embeddings.position_embedding.weight") {
        tensor = tensor.to(at::kLong);
      }
    }
  });
  const std::string error = load_error(folder / "model");
  for (const char* part :
       {"model.safetensors", "2 missing: ", "text_model.final_layer_norm.bias",
        "text_model.encoder.layers.1.self_attn.k_proj.weight", "1 unexpected: text_model.extra",
        "2 of another shape or type: ", "text_projection.weight is F32 [3, 4], expected floats",
        "position_embedding.weight is I64"}) {
    EXPECT_NE(error.find(part), std::string::npos) << part << " in: " << error;
  }
}

TEST(TextModel, LegacyBuffersAreAcceptedAndDropped) {
  const test::TemporaryFolder folder;
  write_changed(folder / "model", "full", [](std::vector<NamedTensor>& tensors) {
    tensors.emplace_back("text_model.embeddings.position_ids", at::arange(24).unsqueeze(0));
    tensors.emplace_back("vision_model.embeddings.position_ids", at::arange(5).unsqueeze(0));
  });
  const TextModel model = TextModel::load(folder / "model");
  fs::create_directory(folder / "saved");
  model.save(folder / "saved");
  const SafetensorsFile saved = SafetensorsFile::open(folder / "saved" / "model.safetensors");
  EXPECT_FALSE(saved.contains("text_model.embeddings.position_ids"));
  EXPECT_FALSE(saved.contains("vision_model.embeddings.position_ids"));
}

TEST(TextModel, ATextOnlyFileMayLackTheLogitScaleAFullOneMayNot) {
  const test::TemporaryFolder folder;
  const auto drop = [](std::vector<NamedTensor>& tensors) {
    std::erase_if(tensors, [](const NamedTensor& tensor) { return tensor.first == "logit_scale"; });
  };
  write_changed(folder / "text", "text_only", drop);
  const TextModel model = TextModel::load(folder / "text");
  EXPECT_NEAR(model.tower().logit_scale().item<double>(), 2.6592, 1e-6);
  write_changed(folder / "full", "full", drop);
  EXPECT_NE(load_error(folder / "full").find("1 missing: logit_scale"), std::string::npos);
}

TEST(TextModel, HalfPrecisionWeightsAreReadAsFloat) {
  const test::TemporaryFolder folder;
  write_changed(folder / "model", "full", [](std::vector<NamedTensor>& tensors) {
    for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kHalf);
  });
  const TextModel half = TextModel::load(folder / "model");
  const TextModel full = TextModel::load(golden_model("full"));
  const double difference =
      (half.encode({"a dog"}) - full.encode({"a dog"})).abs().max().item<double>();
  EXPECT_GT(difference, 0);
  EXPECT_LT(difference, 1e-2);
}

TEST(TextModel, SavingKeepsTheImageTowerAndEveryByteOfTheText) {
  const test::TemporaryFolder folder;
  const TextModel model = TextModel::load(golden_model("full"));
  fs::create_directory(folder / "saved");
  model.save(folder / "saved");
  const SafetensorsFile before = SafetensorsFile::open(golden_model("full") / "model.safetensors");
  const SafetensorsFile after = SafetensorsFile::open(folder / "saved" / "model.safetensors");
  EXPECT_EQ(before.names(), after.names());
  for (const std::string& name : before.names()) {
    EXPECT_TRUE(at::equal(before.tensor(name), after.tensor(name))) << name;
  }
  const TextModel again = TextModel::load(folder / "saved");
  EXPECT_EQ(again.fingerprint(), model.fingerprint());
  EXPECT_TRUE(again.config().vision);
}

TEST(TextModel, SavingTextOnlyGivesTheSameEmbeddings) {
  const test::TemporaryFolder folder;
  const TextModel model = TextModel::load(golden_model("full"));
  fs::create_directory(folder / "saved");
  model.save_text_only(folder / "saved");
  const TextModel text = TextModel::load(folder / "saved");
  EXPECT_FALSE(text.config().vision);
  EXPECT_TRUE(at::equal(text.encode({"a dog runs"}), model.encode({"a dog runs"})));
  const SafetensorsFile saved = SafetensorsFile::open(folder / "saved" / "model.safetensors");
  for (const std::string& name : saved.names()) EXPECT_FALSE(name.starts_with("vision_")) << name;
}

TEST(TextModel, AFolderThatIsNoModelIsNamedWithWhatItLacks) {
  const test::TemporaryFolder folder;
  EXPECT_NE(load_error(folder / "nowhere").find("there is no such folder"), std::string::npos);
  EXPECT_NE(load_error(folder.path()).find("neither config.json nor open_clip_config.json"),
            std::string::npos);
  write_file_atomic(folder / "config.json", R"({"model_type": "clip_text_model"})");
  EXPECT_NE(load_error(folder.path()).find("holds no model.safetensors"), std::string::npos);
}

TEST(TextModel, ModelsOfOtherKindsAreRefusedByName) {
  const test::TemporaryFolder folder;
  for (const auto& [type, name] : {std::pair("siglip", "SigLIP"), {"metaclip_2", "MetaCLIP 2"}}) {
    write_file_atomic(folder / "config.json", fmt::format(R"({{"model_type": "{}"}})", type));
    EXPECT_NE(load_error(folder.path()).find(fmt::format("the model is {} (", name)),
              std::string::npos);
  }
}

TEST(TextModel, ATokenizerOfAnotherModelIsRefused) {
  const test::TemporaryFolder folder;
  fs::copy(golden_model("full"), folder / "model", fs::copy_options::recursive);
  fs::remove(folder / "model" / "vocab.json");
  fs::remove(folder / "model" / "merges.txt");
  EXPECT_NE(load_error(folder / "model").find("add the model's vocab.json and merges.txt"),
            std::string::npos);
}

TEST(TensorNames, CountsOfAFullSizeModel) {
  TextConfig config;  // ViT-B/32's text tower: 197 tensors in HF's form, and logit_scale
  size_t hf = 0;
  for (const TensorName& entry : text_tensor_names(config)) hf += entry.hf.size();
  EXPECT_EQ(hf, 197U + 1U);
}

}  // namespace
}  // namespace paraclip
