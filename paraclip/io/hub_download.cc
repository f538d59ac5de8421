#include "paraclip/io/hub_download.h"

#include "paraclip/base/error.h"
#include "paraclip/base/json.h"
#include "paraclip/io/digest.h"
#include "paraclip/io/download.h"

#include <exception>
#include <string_view>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 5;

// Everything but what may stand in one part of a path.
std::string percent_encode(std::string_view text, std::string_view also_allowed) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || c == '.' || c == '~' ||
                       also_allowed.find(c) != std::string_view::npos;
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return result;
}

// The hub's own addresses: the token goes there.
WebOptions web_options(const HubOptions& options) {
  options.validate();
  return {.connect_timeout = options.connect_timeout,
          .stall_timeout = options.stall_timeout,
          .first_wait = options.first_wait,
          .token = options.token,
          .homes = {options.endpoint, "https://huggingface.co", "https://hf.co"}};
}

}  // namespace

std::string hub_url(const HubModel& model, const HubOptions& options, const std::string& revision,
                    const std::string& file) {
  return fmt::format("{}/{}/resolve/{}/{}", options.endpoint, model.repository,
                     percent_encode(revision, ""), percent_encode(file, "/"));
}

HubDownloader::HubDownloader(const HubModel& model, const HubOptions& options)
    : model_(model), options_(options), connection_(web_options(options)) {}

WebReply HubDownloader::ask(bool head, const std::string& url, bool patient) {
  for (int failures = 0;;) {
    WebReply reply = head ? connection_.head(url) : connection_.get(url);
    ++failures;
    if (!patient || !reply.temporary() || reply.unreachable || failures == kAttempts) return reply;
    connection_.wait(failures, reply);
  }
}

void HubDownloader::refuse(const WebReply& reply, const std::string& url) const {
  const std::string code = reply.header("x-error-code");
  const std::string page = options_.endpoint + "/" + model_.repository;
  const char* token = options_.token.empty()
                          ? "put a token of an account that may read it into HF_TOKEN"
                          : "the account of the token in use may not read it";
  if (reply.temporary()) {
    fail(ErrorKind::kNetwork, "cannot get {}: {}", url, reply.reason());
  }
  if (code == "GatedRepo") {
    fail(ErrorKind::kUsage, "the model {} is gated: ask for access at {}, then {}",
         model_.repository, page,
         options_.token.empty() ? "put a token of that account into HF_TOKEN"
                                : "use a token of that account; the one in use has no access");
  }
  if (code == "RevisionNotFound") {
    fail(ErrorKind::kUsage,
         "the model {} has no revision \"{}\"; its branches and tags are listed at {}/tree/main",
         model_.repository, model_.revision, page);
  }
  if (code == "EntryNotFound") fail(ErrorKind::kUsage, "there is no file {}", url);
  if (reply.status == 401 &&
      reply.header("x-error-message") == "Invalid credentials in Authorization header") {
    fail(ErrorKind::kUsage,
         "{} does not accept the token in use (HF_TOKEN, or the file that a login left); make a "
         "new one, or unset it for models that need none",
         options_.endpoint);
  }
  if (code == "RepoNotFound" || reply.status == 401 || reply.status == 404) {
    fail(ErrorKind::kUsage,
         "there is no model {} at {}, or it is private: check the name; if it is private, {}",
         model_.repository, options_.endpoint, token);
  }
  if (reply.status == 403) {
    fail(ErrorKind::kUsage, "{} refuses access to the model {} ({}): {}", options_.endpoint,
         model_.repository, reply.reason(), token);
  }
  fail(ErrorKind::kNetwork, "cannot get {}: {}", url, reply.reason());
}

HubListing HubDownloader::list(bool patient) {
  const std::string url = fmt::format("{}/api/models/{}/revision/{}", options_.endpoint,
                                      model_.repository, percent_encode(model_.revision, ""));
  const WebReply reply = ask(/*head=*/false, url, patient);
  if (reply.status != 200) refuse(reply, url);
  HubListing listing;
  try {
    const Json json = parse_json(reply.body, url);
    listing.commit = json_string(json, "sha", url);
    for (const Json& sibling : json.value("siblings", Json::array()))
      listing.files.push_back(json_string(sibling, "rfilename", url));
    if (!is_digest(listing.commit, 40)) {
      fail(ErrorKind::kData, "{}: sha is \"{}\", expected a commit hash", url,
           printable(listing.commit));
    }
  } catch (const std::exception& error) {
    fail(ErrorKind::kNetwork,
         "{}, so it is not the hub that answers; check HF_ENDPOINT, and whether a proxy or a "
         "login page stands between",
         error.what());
  }
  return listing;
}

RemoteFile HubDownloader::describe(const std::string& commit, const std::string& name) {
  RemoteFile file{.name = name, .url = hub_url(model_, options_, commit, name), .etag = {}};
  const WebReply reply = ask(/*head=*/true, file.url, /*patient=*/true);
  if (reply.status < 200 || reply.status >= 400) refuse(reply, file.url);
  const std::string linked = reply.header("x-linked-etag");
  std::string etag = linked.empty() ? reply.header("etag") : linked;
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  // It becomes the name of a file.
  const bool is_name = !etag.empty() && etag.size() <= 128 && etag.front() != '.' &&
                       percent_encode(etag, "") == etag;
  if (!is_name || reply.header("x-repo-commit").empty()) {
    fail(ErrorKind::kNetwork,
         "{}: the response lacks the headers X-Repo-Commit and ETag, so it is not the hub that "
         "answers; check HF_ENDPOINT, and whether a proxy or a login page stands between",
         file.url);
  }
  file.etag = etag;
  file.size = reply.byte_count("x-linked-size");
  if (file.size < 0 && reply.status == 200) file.size = reply.byte_count("content-length");
  return file;
}

void HubDownloader::download(const RemoteFile& file, const fs::path& blob,
                             const std::function<void(int64_t)>& progress) {
  paraclip::download(connection_,
                     {.url = file.url,
                      .size = file.size,
                      .digest = file.etag,
                      .source = "the hub",
                      .target = blob,
                      .partial = blob.string() + ".incomplete"},
                     progress, [&](const WebReply& reply) { refuse(reply, file.url); });
}

}  // namespace paraclip
