#include "paraclip/clip/model_card.h"

#include <fmt/format.h>

namespace paraclip {
namespace {

// A bar would end the cell, a line break the row.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

std::string row(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& text : cells) line += fmt::format(" {} |", cell(text));
  return line + "\n";
}

std::string to_markdown(const CardTable& table) {
  std::string text = fmt::format("\n## {}\n\n", table.heading) + row(table.columns) + "|";
  for (size_t i = 0; i < table.columns.size(); ++i) text += "---|";
  text += "\n";
  for (const auto& cells : table.rows) text += row(cells);
  return text;
}

const char* loading_code(const ModelCard& card) {
  if (card.config.family == ModelFamily::kOpenClip && !card.text_only) {
    return "import open_clip\n"
           "model, _, preprocess = open_clip.create_model_and_transforms(\"local-dir:FOLDER\")\n"
           "tokenizer = open_clip.get_tokenizer(\"local-dir:FOLDER\")\n";
  }
  if (card.text_only) {
    return "from transformers import AutoTokenizer, CLIPTextModelWithProjection\n"
           "model = CLIPTextModelWithProjection.from_pretrained(\"FOLDER\")\n"
           "tokenizer = AutoTokenizer.from_pretrained(\"FOLDER\")\n";
  }
  return "from transformers import AutoTokenizer, CLIPModel\n"
         "model = CLIPModel.from_pretrained(\"FOLDER\")\n"
         "tokenizer = AutoTokenizer.from_pretrained(\"FOLDER\")\n";
}

}  // namespace

std::string ModelCard::to_markdown() const {
  const bool open_clip = config.family == ModelFamily::kOpenClip && !text_only;
  std::string text = fmt::format(
      "---\nlibrary_name: {}\npipeline_tag: {}\ntags:\n- clip\n---\n\n# {}\n\n{}\n\n"
      "```python\n{}```\n",
      open_clip ? "open_clip" : "transformers",
      text_only ? "feature-extraction" : "zero-shot-image-classification", title, summary,
      loading_code(*this));
  for (const CardTable& table : tables) text += paraclip::to_markdown(table);
  return text;
}

std::string architecture_name(const ClipConfig& config) {
  const bool roberta = config.text.architecture == TextArchitecture::kRoberta;
  const std::string text = roberta ? " with RoBERTa" : "";
  if (!config.vision) {
    const std::string beside =
        config.other_vision.empty() ? "" : fmt::format(" beside {}", config.other_vision);
    return fmt::format("text tower of width {}{}{}", config.text.width, text, beside);
  }
  constexpr struct {
    int64_t width, layers;
    const char* name;
  } kSizes[] = {
      {768, 12, "B"}, {1024, 24, "L"}, {1280, 32, "H"}, {1408, 40, "g"}, {1664, 48, "bigG"}};
  const VisionConfig& vision = *config.vision;
  for (const auto& size : kSizes) {
    if (size.width != vision.width || size.layers != vision.layers) continue;
    const std::string pixels =
        vision.image_size == 224 ? "" : fmt::format("-{}", vision.image_size);
    return fmt::format("ViT-{}/{}{}{}", size.name, vision.patch_size, pixels, text);
  }
  return fmt::format("ViT of width {}, {} layers, patches of {}{}", vision.width, vision.layers,
                     vision.patch_size, text);
}

CardTable architecture_table(const ClipConfig& config,
                             const std::vector<std::string>& fingerprints) {
  const TextConfig& text = config.text;
  CardTable table{"Architecture", {"", "text tower", "image tower"}, {}};
  const auto add = [&](const char* what, const std::string& of_text, const std::string& of_image) {
    table.rows.push_back({what, of_text, of_image});
  };
  const auto image = [&](auto member) {
    return config.vision ? fmt::format("{}", (*config.vision).*member) : std::string("-");
  };
  add("layers", fmt::format("{}", text.layers), image(&VisionConfig::layers));
  add("width", fmt::format("{}", text.width), image(&VisionConfig::width));
  add("heads", fmt::format("{}", text.heads), image(&VisionConfig::heads));
  add("activation", to_string(text.activation),
      config.vision ? to_string(config.vision->activation) : "-");
  add("input", fmt::format("{} tokens of {}", text.context_length, text.vocabulary_size),
      config.vision ? fmt::format("{0}x{0}, patches of {1}", config.vision->image_size,
                                  config.vision->patch_size)
                    : config.other_vision);
  add("pooling", to_string(text.pooling), config.vision ? "class token" : "-");
  add("fingerprint", fingerprints.empty() ? "-" : fingerprints[0],
      fingerprints.size() > 1 ? fingerprints[1] : "-");
  return table;
}

}  // namespace paraclip
