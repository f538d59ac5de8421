#include "paraclip/io/hub.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/base/log.h"
#include "paraclip/base/user_folders.h"
#include "paraclip/io/digest.h"
#include "paraclip/io/hub_cache.h"
#include "paraclip/io/hub_download.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <initializer_list>
#include <set>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// Read by the tokenizers and the preprocessing; each may be missing.
constexpr const char* kSmallFiles[] = {"preprocessor_config.json",
                                       "merges.txt",
                                       "vocab.json",
                                       "tokenizer.json",
                                       "tokenizer_config.json",
                                       "special_tokens_map.json",
                                       "added_tokens.json"};

constexpr std::string_view kHfConfig = "config.json";
constexpr std::string_view kOpenClipConfig = "open_clip_config.json";
constexpr std::string_view kIndex = "model.safetensors.index.json";

// The forms of weights, the best first, each with the configuration that describes it.
constexpr std::pair<std::string_view, std::string_view> kForms[] = {
    {kHfConfig, "model.safetensors"},
    {kHfConfig, kIndex},
    {kOpenClipConfig, "open_clip_model.safetensors"},
    {kHfConfig, "pytorch_model.bin"},
    {kOpenClipConfig, "open_clip_pytorch_model.bin"}};

bool contains(std::span<const std::string> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// huggingface_hub's REPO_ID_REGEX for the namespace and for the name.
bool is_name(std::string_view part) {
  return !part.empty() && part.size() <= 96 && is_word(part.front()) && is_word(part.back()) &&
         std::all_of(part.begin(), part.end(),
                     [](char c) { return is_word(c) || c == '-' || c == '.'; });
}

bool is_repository(std::string_view text) {
  const size_t slash = text.find('/');
  const bool parts = slash == std::string_view::npos
                         ? is_name(text)
                         : is_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
  return parts && text.find("--") == std::string_view::npos &&
         text.find("..") == std::string_view::npos && !text.ends_with(".git");
}

// A branch, tag or commit: what git forbids in their names is forbidden, above all what would lead
// out of the cache.
bool is_revision(std::string_view text) {
  const auto forbidden = [](unsigned char c) {
    return c <= ' ' || c == 127 || std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= 200 && text.front() != '/' && text.front() != '.' &&
         text.back() != '/' && text.find("..") == std::string_view::npos &&
         text.find("/.") == std::string_view::npos && text.find("//") == std::string_view::npos &&
         std::none_of(text.begin(), text.end(), forbidden);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string first_of(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

bool is_true(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

// "~", $NAME and ${NAME}, which huggingface_hub expands too: a variable set in a service's file has
// seen no shell.
fs::path expand(const std::string& text) {
  std::string result;
  size_t at = 0;
  if (text == "~" || text.starts_with("~/")) {
    result = home_folder().string();
    at = 1;
  }
  while (at < text.size()) {
    const bool braces = text.compare(at, 2, "${") == 0;
    const size_t begin = at + (braces ? 2 : 1);
    size_t end = begin;
    while (end < text.size() && is_word(text[end])) ++end;
    const bool closed = !braces || (end < text.size() && text[end] == '}');
    const std::string name = text.substr(std::min(begin, text.size()), end - begin);
    if (text[at] != '$' || name.empty() || !closed || std::getenv(name.c_str()) == nullptr) {
      result += text[at++];
      continue;
    }
    result += variable(name.c_str());
    at = end + (braces ? 1 : 0);
  }
  return result;
}

std::string read_token(const fs::path& file, bool implicit) {
  std::string token = first_of({variable("HF_TOKEN"), variable("HUGGING_FACE_HUB_TOKEN")});
  if (token.empty() && implicit && fs::is_regular_file(file)) token = read_file(file);
  std::erase_if(token, [](unsigned char c) { return std::isspace(c) != 0; });
  if (std::any_of(token.begin(), token.end(), [](unsigned char c) { return c < 33 || c > 126; })) {
    fail(ErrorKind::kUsage,
         "the token of the hub (HF_TOKEN or the file {}) holds characters that no token has",
         file.string());
  }
  return token;
}

// What config.json says the model is.
std::string model_type(const fs::path& config) {
  return json_string_or(read_json(config), "model_type", "", config.string());
}

bool is_clip(const std::string& type) { return type == "clip" || type == "clip_text_model"; }

// The files that the index of shards names. Throws kData.
std::vector<std::string> shards(const fs::path& index) {
  const Json json = read_json(index);
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object())
    fail(ErrorKind::kData, "{}: weight_map is missing, expected the file of each tensor",
         index.string());
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      fail(ErrorKind::kData,
           "{}: weight_map gives {} for {}, expected the name of a file beside it", index.string(),
           dump_json(file), tensor);
    }
    names.insert(name);
  }
  return {names.begin(), names.end()};
}

// What a snapshot lacks to be a whole model; empty if nothing.
std::vector<std::string> missing_files(const HubCache& cache, const std::string& commit) {
  const fs::path snapshot = cache.snapshot(commit);
  const std::vector<std::string> there = cache.files(commit);
  const bool clip = contains(there, kHfConfig) && is_clip(model_type(snapshot / kHfConfig));
  const HubFiles files = choose_files(there, clip);
  if (files.weights.empty()) {
    const bool open_clip = contains(there, kOpenClipConfig) && !clip;
    std::vector<std::string> wanted = {
        std::string(open_clip ? kOpenClipConfig : kHfConfig),
        open_clip ? "open_clip_model.safetensors" : "model.safetensors"};
    std::erase_if(wanted, [&](const std::string& name) { return contains(there, name); });
    return wanted;
  }
  std::vector<std::string> missing;
  if (files.weights.front() == kIndex) {
    for (const std::string& name : shards(snapshot / kIndex)) {
      if (!contains(there, name)) missing.push_back(name);
    }
  }
  return missing;
}

[[noreturn]] void fail_missing(const HubModel& model, const HubOptions& options,
                               const HubCache& cache, const std::string& commit,
                               const std::vector<std::string>& missing, const std::string& why) {
  std::string places;
  for (const std::string& name : missing) {
    places += fmt::format("\n  {}\n    from {}", (cache.snapshot(commit) / name).string(),
                          hub_url(model, options, model.revision, name));
  }
  fail(ErrorKind::kNetwork,
       "the model {} is not whole in the cache, and {}. Put what is missing there:{}\n"
       "(and the tokenizer's and preprocessing files of the model beside it, if it has any). Any "
       "folder with these files can be given as the model instead.",
       model.repository, why, places);
}

// Brings files of one commit into the cache.
class Fetch {
 public:
  Fetch(const HubModel& model, const HubCache& cache, HubDownloader& hub, std::string commit,
        const ProgressCallback& progress)
      : model_(model), cache_(cache), hub_(hub), commit_(std::move(commit)), progress_(progress) {}

  // Downloads `names` where the snapshot lacks them.
  void operator()(const std::vector<std::string>& names) {
    std::vector<RemoteFile> files;
    int64_t total = 0;
    for (const std::string& name : names) {
      if (fs::exists(cache_.snapshot(commit_) / name)) continue;
      files.push_back(hub_.describe(commit_, name));
      total += std::max<int64_t>(0, files.back().size);
    }
    int64_t before = 0;
    for (const RemoteFile& file : files) {
      get_blob(file, [&](int64_t done) {
        if (!progress_) return;
        progress_({.label = "download " + model_.repository,
                   .unit = "bytes",
                   .done = before + done,
                   .total = total,
                   .detail = file.name});
      });
      cache_.link(commit_, file.name, file.etag);
      before += std::max<int64_t>(0, file.size);
    }
  }

  // What config.json says the model is. It becomes part of the snapshot only if it is chosen.
  std::string model_type() {
    fs::path path = cache_.snapshot(commit_) / kHfConfig;
    if (!fs::exists(path)) {
      const RemoteFile file = hub_.describe(commit_, std::string(kHfConfig));
      get_blob(file, [](int64_t) {});
      path = cache_.blob(file.etag);
    }
    return paraclip::model_type(path);
  }

 private:
  void get_blob(const RemoteFile& file, const std::function<void(int64_t)>& progress) {
    const HubCache::Lock lock(cache_, file.etag);
    if (fs::exists(cache_.blob(file.etag))) {
      progress(file.size);
    } else {
      hub_.download(file, cache_.blob(file.etag), progress);
    }
  }

  const HubModel& model_;
  const HubCache& cache_;
  HubDownloader& hub_;
  std::string commit_;
  const ProgressCallback& progress_;
};

[[noreturn]] void fail_no_clip(const HubModel& model, std::span<const std::string> listing,
                               const std::string& type) {
  const std::string what =
      !type.empty() && !is_clip(type) ? fmt::format("its config.json says \"{}\"", type)
      : contains(listing, "pytorch_model.bin.index.json")
          ? "its weights are pickles in several parts (pytorch_model.bin.index.json)"
      : !contains(listing, kHfConfig) && !contains(listing, kOpenClipConfig)
          ? "it has neither config.json nor open_clip_config.json"
          : "it has no weights beside its configuration";
  fail(ErrorKind::kData,
       "cannot use the model {}: {}; expected config.json of a CLIP with model.safetensors (whole "
       "or in parts) or pytorch_model.bin, or open_clip_config.json with "
       "open_clip_model.safetensors or open_clip_pytorch_model.bin",
       model.repository, what);
}

void download_model(const HubModel& model, const HubListing& listing, Fetch& fetch,
                    const HubCache& cache) {
  const bool look = contains(listing.files, kHfConfig);
  const std::string type = look ? fetch.model_type() : "";
  HubFiles files = choose_files(listing.files, is_clip(type));
  if (files.weights.empty()) fail_no_clip(model, listing.files, type);
  // Weights that are there in another form are not fetched again.
  const HubFiles there = choose_files(cache.files(listing.commit), is_clip(type));
  if (!there.weights.empty()) {
    files.weights = there.weights;
    files.small.front() = there.small.front();
  }
  if (files.weights.front() == kIndex) {
    fetch(files.weights);
    files.weights = shards(cache.snapshot(listing.commit) / kIndex);
  }
  // The weights come last: where they are, everything is.
  std::vector<std::string> names = files.small;
  names.insert(names.end(), files.weights.begin(), files.weights.end());
  fetch(names);
}

}  // namespace

std::optional<HubModel> HubModel::parse(std::string_view text) {
  if (!text.starts_with("hf:")) return std::nullopt;
  const std::string_view rest = text.substr(3);
  const size_t at = rest.find('@');
  HubModel model;
  model.repository = rest.substr(0, at);
  if (at != std::string_view::npos) model.revision = rest.substr(at + 1);
  if (!is_repository(model.repository) || !is_revision(model.revision)) {
    fail(ErrorKind::kUsage,
         "\"{}\" names no model on the hub, expected hf:ORG/NAME or hf:ORG/NAME@REVISION, as in "
         "hf:openai/clip-vit-base-patch32",
         text);
  }
  return model;
}

HubOptions HubOptions::from_environment() {
  HubOptions options;
  const fs::path hf_home =
      expand(first_of({variable("HF_HOME"), (user_cache_folder() / "huggingface").string()}));
  options.cache = expand(first_of(
      {variable("HF_HUB_CACHE"), variable("HUGGINGFACE_HUB_CACHE"), (hf_home / "hub").string()}));
  options.endpoint = first_of({variable("HF_ENDPOINT"), options.endpoint});
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  options.token =
      read_token(expand(first_of({variable("HF_TOKEN_PATH"), (hf_home / "token").string()})),
                 !is_true(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN")));
  options.offline =
      is_true(first_of({variable("HF_HUB_OFFLINE"), variable("TRANSFORMERS_OFFLINE")}));
  return options;
}

void HubOptions::validate() const {
  if (!endpoint.starts_with("https://") && !endpoint.starts_with("http://")) {
    fail(ErrorKind::kUsage, "the address of the hub (HF_ENDPOINT) is \"{}\", expected https://...",
         endpoint);
  }
}

HubFiles choose_files(std::span<const std::string> listing, bool clip_config) {
  HubFiles files;  // the configuration first
  for (const auto& [config, weights] : kForms) {
    if (config == kHfConfig && !clip_config) continue;
    if (!contains(listing, config) || !contains(listing, weights)) continue;
    files.small.emplace_back(config);
    files.weights.emplace_back(weights);
    break;
  }
  if (files.weights.empty()) return files;
  for (const char* name : kSmallFiles) {
    if (contains(listing, name)) files.small.emplace_back(name);
  }
  return files;
}

fs::path fetch_model(const HubModel& model, const HubOptions& options,
                     const ProgressCallback& progress) {
  const HubCache cache(options.cache, model.repository);
  const std::string known = cache.commit(model.revision);
  const std::vector<std::string> missing = missing_files(cache, known);
  if (missing.empty() && is_digest(model.revision, 40)) return cache.snapshot(known);
  if (options.offline) {
    if (missing.empty()) return cache.snapshot(known);
    fail_missing(model, options, cache, known, missing,
                 "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids asking the hub");
  }
  HubDownloader hub(model, options);
  HubListing listing;
  try {
    listing = hub.list(/*patient=*/!missing.empty());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInterrupted) throw;
    if (missing.empty()) {
      log().info("using {} from the cache as it is: {}", model.repository, error.what());
      return cache.snapshot(known);
    }
    if (error.kind() != ErrorKind::kNetwork) throw;
    fail_missing(model, options, cache, known, missing, error.what());
  }
  Fetch fetch(model, cache, hub, listing.commit, progress);
  download_model(model, listing, fetch, cache);
  cache.remember(model.revision, listing.commit);
  return cache.snapshot(listing.commit);
}

}  // namespace paraclip
