#include "paraclip/io/hub_download.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/io/digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

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

// -1 for what is no number of bytes.
int64_t parse_size(std::string_view text) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 ? value : -1;
}

// What a server says, fit to be shown.
std::string shown(const std::string& text) {
  std::string result = text.substr(0, 200);
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < 32 || c > 126; }, '?');
  return result;
}

std::string reason(const HubReply& reply) {
  if (!reply.error.empty()) return reply.error;
  const std::string message = shown(reply.header("x-error-message"));
  return fmt::format("HTTP {}{}{}", reply.status, message.empty() ? "" : ": ", message);
}

[[noreturn]] void fail_errno(const char* doing, const fs::path& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  fail(ErrorKind::kIo, "cannot {} {}: {}{}", doing, path.string(), std::strerror(error),
       full ? "; free some space and run again: what has been downloaded is kept" : "");
}

// The part of a download that is there, on the disk.
class PartialFile {
 public:
  explicit PartialFile(fs::path path) : path_(std::move(path)) {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct stat status {};
    if (fd_ < 0 || ::fstat(fd_, &status) != 0) fail_errno("open", path_, errno);
    size_ = status.st_size;
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  const fs::path& path() const { return path_; }
  int64_t size() const { return size_; }

  void append(std::string_view data) {
    while (!data.empty()) {
      const ssize_t written = ::pwrite(fd_, data.data(), data.size(), size_);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_errno("write", path_, errno);
      data.remove_prefix(static_cast<size_t>(written));
      size_ += written;
    }
  }

  void clear() {
    if (::ftruncate(fd_, 0) != 0) fail_errno("write", path_, errno);
    size_ = 0;
  }

  void sync() {
    if (::fsync(fd_) != 0) fail_errno("write", path_, errno);
  }

 private:
  fs::path path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

// Where a 206 response begins ("bytes 100-199/200"), or -1.
int64_t range_begin(const HubReply& reply) {
  const std::string range = reply.header("content-range");
  const size_t dash = range.find('-');
  return range.starts_with("bytes ") && dash != std::string::npos
             ? parse_size(std::string_view(range).substr(6, dash - 6))
             : -1;
}

// Takes a body where it belongs: behind what is there (206), or in place of it (200).
class BodyWriter {
 public:
  BodyWriter(const RemoteFile& file, PartialFile& partial,
             const std::function<void(int64_t)>& progress)
      : file_(file), partial_(partial), progress_(progress) {}

  void operator()(const HubReply& reply, std::string_view data) {
    if (!begun_ && reply.status == 200 && partial_.size() > 0) partial_.clear();
    if (!begun_ && reply.status == 206 && range_begin(reply) != partial_.size()) {
      fail(ErrorKind::kNetwork, "cannot go on with {}: asked for byte {} on, got \"{}\"", file_.url,
           partial_.size(), shown(reply.header("content-range")));
    }
    begun_ = true;
    const auto bytes = static_cast<int64_t>(data.size());
    if (file_.size >= 0 && bytes > file_.size - partial_.size()) {
      partial_.clear();
      fail(ErrorKind::kData, "{} is longer than the {} bytes that the hub gives for it; run again",
           file_.url, file_.size);
    }
    partial_.append(data);
    progress_(partial_.size());
  }

 private:
  const RemoteFile& file_;
  PartialFile& partial_;
  const std::function<void(int64_t)>& progress_;
  bool begun_ = false;
};

// A large file is named by its SHA-256, a small one by git's hash. Other names say nothing of the
// content (some mirrors have them).
void check_content(const RemoteFile& file, const fs::path& path) {
  std::string found;
  {
    const auto content = MappedFile::open(path);
    if (is_digest(file.etag, 64)) found = sha256_hex(content->text());
    if (is_digest(file.etag, 40)) found = git_blob_hash(content->text());
  }
  if (found.empty() || found == file.etag) return;
  std::error_code ignored;
  fs::remove(path, ignored);
  fail(ErrorKind::kData,
       "{} does not have the content that the hub gives for it: its hash is {}, expected {}; it "
       "was removed, run again to fetch it anew",
       file.url, found, file.etag);
}

}  // namespace

std::string hub_url(const HubModel& model, const HubOptions& options, const std::string& revision,
                    const std::string& file) {
  return fmt::format("{}/{}/resolve/{}/{}", options.endpoint, model.repository,
                     percent_encode(revision, ""), percent_encode(file, "/"));
}

HubDownloader::HubDownloader(const HubModel& model, const HubOptions& options)
    : model_(model), options_(options), connection_(options) {}

HubReply HubDownloader::ask(bool head, const std::string& url, bool patient) {
  for (int failures = 0;;) {
    HubReply reply = head ? connection_.head(url) : connection_.get(url);
    ++failures;
    if (!patient || !reply.temporary() || reply.unreachable || failures == kAttempts) return reply;
    connection_.wait(failures, reply);
  }
}

void HubDownloader::refuse(const HubReply& reply, const std::string& url) const {
  const std::string code = reply.header("x-error-code");
  const std::string page = options_.endpoint + "/" + model_.repository;
  const char* token = options_.token.empty()
                          ? "put a token of an account that may read it into HF_TOKEN"
                          : "the account of the token in use may not read it";
  if (reply.temporary()) {
    fail(ErrorKind::kNetwork, "cannot get {}: {}", url, reason(reply));
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
         model_.repository, reason(reply), token);
  }
  fail(ErrorKind::kNetwork, "cannot get {}: {}", url, reason(reply));
}

HubListing HubDownloader::list(bool patient) {
  const std::string url = fmt::format("{}/api/models/{}/revision/{}", options_.endpoint,
                                      model_.repository, percent_encode(model_.revision, ""));
  const HubReply reply = ask(/*head=*/false, url, patient);
  if (reply.status != 200) refuse(reply, url);
  HubListing listing;
  try {
    const Json json = parse_json(reply.body, url);
    listing.commit = json_string(json, "sha", url);
    for (const Json& sibling : json.value("siblings", Json::array()))
      listing.files.push_back(json_string(sibling, "rfilename", url));
    if (!is_digest(listing.commit, 40)) {
      fail(ErrorKind::kData, "{}: sha is \"{}\", expected a commit hash", url,
           shown(listing.commit));
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
  const HubReply reply = ask(/*head=*/true, file.url, /*patient=*/true);
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
  file.size = parse_size(reply.header("x-linked-size"));
  if (file.size < 0 && reply.status == 200) file.size = parse_size(reply.header("content-length"));
  return file;
}

void HubDownloader::download(const RemoteFile& file, const fs::path& blob,
                             const std::function<void(int64_t)>& progress) {
  PartialFile partial(blob.string() + ".incomplete");
  if (file.size >= 0 && partial.size() > file.size) partial.clear();
  progress(partial.size());
  bool whole = partial.size() == file.size;
  int64_t furthest = partial.size();
  for (int failures = 0; !whole;) {
    const int64_t before = partial.size();
    BodyWriter writer(file, partial, progress);
    HubReply reply = connection_.get(file.url, before, std::ref(writer));
    const bool good = reply.status == 200 || reply.status == 206;
    // A body without its length ends early unnoticed.
    if (good && partial.size() < file.size) reply.error = "the connection ended early";
    if (reply.status == 416 && before > 0) {
      partial.clear();
    } else if (reply.error.empty() && !good && !reply.temporary()) {
      refuse(reply, file.url);
    }
    whole = good && reply.error.empty();
    if (whole) break;
    failures = partial.size() > furthest ? 1 : failures + 1;
    furthest = std::max(furthest, partial.size());
    if (failures == kAttempts) {
      fail(ErrorKind::kNetwork,
           "the download of {} broke off at {} of {} bytes: {}; run again to go on from there",
           file.url, partial.size(), file.size, reason(reply));
    }
    connection_.wait(failures, reply);
  }
  partial.sync();
  check_content(file, partial.path());
  std::error_code error;
  fs::rename(partial.path(), blob, error);
  if (error) fail_errno("write", blob, error.value());
}

}  // namespace paraclip
