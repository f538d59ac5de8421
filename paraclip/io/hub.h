#pragma once

#include "paraclip/base/progress.h"

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// A model on the Hugging Face hub.
struct HubModel {
  std::string repository;         ///< "org/name"; the oldest models have no organization: "name".
  std::string revision = "main";  ///< A branch, a tag or a commit hash of 40 digits.

  /// Takes "hf:ORG/NAME[@REVISION]" apart; nothing where `text` does not begin with "hf:". Throws
  /// kUsage where it does and the rest cannot be a model's name (the rules are those of
  /// huggingface_hub's validate_repo_id).
  static std::optional<HubModel> parse(std::string_view text);
};

/// Where models are kept and fetched from.
struct HubOptions {
  std::filesystem::path cache;  ///< The folder that holds models--ORG--NAME.
  std::string endpoint = "https://huggingface.co";
  std::string token;  ///< Sent to the hub alone, and by https alone (or to this machine); or empty.
  bool offline = false;           ///< Use what is in the cache and ask nobody.
  double connect_timeout = 10.0;  ///< Seconds until a connection stands.
  double stall_timeout = 30.0;    ///< Seconds without a byte after which a connection is given up.
  double first_wait = 1.0;  ///< Seconds until a failed request is repeated; doubles each time.

  /// As huggingface_hub has it: the cache by HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
  /// XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub; HF_ENDPOINT; the token by
  /// HF_TOKEN, HUGGING_FACE_HUB_TOKEN or the file HF_TOKEN_PATH (HF_HOME/token), the file not
  /// where HF_HUB_DISABLE_IMPLICIT_TOKEN is set; HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. Throws
  /// kUsage for a token with characters that no token has.
  static HubOptions from_environment();

  /// Throws kUsage if the endpoint is no http or https address.
  void validate() const;
};

/// The files of a repository that make up a CLIP model.
struct HubFiles {
  std::vector<std::string> small;    ///< The configuration, the tokenizer's and preprocessing's.
  std::vector<std::string> weights;  ///< One file, or the index of the shards; or none.
};

/// Chooses from the names in a repository's `listing`: one configuration with weights of its form,
/// safetensors before pickles, transformers' form before open_clip's. `clip_config` says whether
/// config.json is a CLIP's; if it is not, transformers' form is not taken.
HubFiles choose_files(std::span<const std::string> listing, bool clip_config);

/// The folder with the files of `model`: its snapshot in the cache, in huggingface_hub's layout,
/// after what was missing has been downloaded and checked. A commit that is complete in the cache
/// is used without asking the hub; so is the commit that a branch was last known to be at where the
/// hub cannot be asked (a line in the log says so).
///
/// Throws kNetwork, naming every missing file with its place in the cache and its address, where
/// the hub cannot be asked; kUsage where it refuses (no such model, gated, private); kData where
/// the repository holds no CLIP model, or a file does not have the hash that the hub gives; kIo;
/// kInterrupted. A download that ends early goes on from there the next time.
std::filesystem::path fetch_model(const HubModel& model, const HubOptions& options,
                                  const ProgressCallback& progress);

}  // namespace paraclip
