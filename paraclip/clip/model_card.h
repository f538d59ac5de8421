#pragma once

#include "paraclip/clip/config.h"

#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

/// A table of a model card.
struct CardTable {
  std::string heading;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  ///< As many cells in each as there are columns.
};

/// What is told of a model in the README.md beside its weights, in the form of the hub's model
/// cards (https://huggingface.co/docs/hub/model-cards).
struct ModelCard {
  std::string title;
  std::string summary;  ///< A paragraph: what the model is, and what it was made from.
  ClipConfig config;
  bool text_only = false;  ///< A CLIPTextModelWithProjection.
  std::vector<CardTable> tables;

  /// The card: metadata for the hub, the summary, how to load it, the tables. Written in
  /// GitHub-flavoured Markdown, whatever the cells hold.
  std::string to_markdown() const;
};

/// What both towers are: a table for a card. `fingerprints` of the text tower and, where it can be
/// computed, of the image tower.
CardTable architecture_table(const ClipConfig& config,
                             const std::vector<std::string>& fingerprints);

/// The name that people have for the architecture: "ViT-B/32", "ViT-L/14-336",
/// "ViT-B/32 with RoBERTa", "text tower of width 512".
std::string architecture_name(const ClipConfig& config);

}  // namespace paraclip
