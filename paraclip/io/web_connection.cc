#include "paraclip/io/web_connection.h"

#include "paraclip/base/error.h"
#include "paraclip/base/log.h"
#include "paraclip/base/signals.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

namespace paraclip {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxBody = size_t{16} << 20;
constexpr double kLongestWait = 300.0;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

void append(HeaderList& list, const std::string& header) {
  curl_slist* longer = curl_slist_append(list.get(), header.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  if (!list) list.reset(longer);
}

// "https://host:443", or nothing for what is no address.
std::string origin(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return "";
  std::string result;
  for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
    result += text;
    result += part == CURLUPART_SCHEME ? "://" : part == CURLUPART_HOST ? ":" : "";
    curl_free(text);
  }
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// Whether a token may travel to `url`: nobody between can read it.
bool is_private(const std::string& url) {
  const std::string place = origin(url);
  for (const char* safe : {"https://", "http://127.0.0.1:", "http://[::1]:", "http://localhost:"}) {
    if (place.starts_with(safe)) return true;
  }
  return false;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool no_connection(CURLcode result) {
  switch (result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:  // only connecting has a time limit of libcurl's
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE: return true;
    default: return false;
  }
}

// -1 for what is no number of bytes.
int64_t parse_size(std::string_view text) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 ? value : -1;
}

[[noreturn]] void fail_interrupted() {
  fail(ErrorKind::kInterrupted,
       "interrupted; what has been downloaded is kept, and the next run goes on from there");
}

}  // namespace

struct WebConnection::Request {
  bool head = false;
  std::string url;
  int64_t begin = 0;
  Sink sink = {};
  bool https_only = url.starts_with("https:");
};

// One request under way. The callbacks are called from C: what they throw is kept for after it.
struct WebConnection::Transfer {
  WebReply reply;
  const Sink* sink = nullptr;
  double stall_timeout = 0.0;
  Clock::time_point last_data = Clock::now();
  curl_off_t moved = 0;
  bool stalled = false;
  std::exception_ptr thrown;

  static size_t on_header(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view line(data, size * count);
    const size_t colon = line.find(':');
    if (line.starts_with("HTTP/")) {
      transfer.reply.headers.clear();  // what came before belonged to a proxy or a 1xx response
      const size_t space = line.find(' ');
      transfer.reply.status =
          space == std::string_view::npos ? 0 : std::atoi(std::string(line.substr(space)).c_str());
    } else if (colon != std::string_view::npos) {
      std::string name(line.substr(0, colon));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const std::string_view rest = line.substr(colon + 1);
      const size_t begin = rest.find_first_not_of(" \t\r\n");
      const size_t end = rest.find_last_not_of(" \t\r\n");
      transfer.reply.headers[name] =
          begin == std::string_view::npos ? "" : rest.substr(begin, end - begin + 1);
    }
    return line.size();
  }

  static size_t on_body(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view bytes(data, size * count);
    const int status = transfer.reply.status;
    try {
      if (*transfer.sink && (status == 200 || status == 206)) {
        (*transfer.sink)(transfer.reply, bytes);
      } else if (bytes.size() > kMaxBody - transfer.reply.body.size()) {
        fail(ErrorKind::kNetwork, "the response is longer than {} bytes", kMaxBody);
      } else {
        transfer.reply.body += bytes;
      }
    } catch (...) {
      transfer.thrown = std::current_exception();
      return 0;
    }
    return bytes.size();
  }

  // Called about once a second, and oftener while data flows.
  static int on_progress(void* self, curl_off_t, curl_off_t down, curl_off_t, curl_off_t up) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (std::exchange(transfer.moved, down + up) != down + up) transfer.last_data = Clock::now();
    const std::chrono::duration<double> idle = Clock::now() - transfer.last_data;
    transfer.stalled = idle.count() > transfer.stall_timeout;
    return transfer.stalled || stop_requested() ? 1 : 0;
  }
};

std::string WebReply::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

int64_t WebReply::byte_count(const std::string& name) const { return parse_size(header(name)); }

int64_t WebReply::range_begin() const {
  const std::string range = header("content-range");
  const size_t dash = range.find('-');
  return range.starts_with("bytes ") && dash != std::string::npos
             ? parse_size(std::string_view(range).substr(6, dash - 6))
             : -1;
}

std::string WebReply::reason() const {
  if (!error.empty()) return error;
  const std::string message = printable(header("x-error-message"));
  return fmt::format("HTTP {}{}{}", status, message.empty() ? "" : ": ", message);
}

std::string printable(const std::string& text) {
  std::string result = text.substr(0, 200);
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < 32 || c > 126; }, '?');
  return result;
}

bool WebReply::temporary() const {
  return !error.empty() || status == 408 || status == 429 || status >= 500;
}

bool same_origin(const std::string& one, const std::string& other) {
  const std::string first = origin(one);
  return !first.empty() && first == origin(other);
}

double retry_wait(int failures, double retry_after, double first) {
  return std::min(kLongestWait, std::max(retry_after, std::ldexp(first, failures - 1)));
}

WebConnection::WebConnection(const WebOptions& options)
    : options_(options), handle_(nullptr, &curl_easy_cleanup) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready == CURLE_OK) handle_.reset(curl_easy_init());
  if (!handle_) fail(ErrorKind::kNetwork, "cannot set up the network library libcurl");
  for (const std::string& home : options_.homes) {
    if (!options_.token.empty() && !is_private(home)) {
      log().warn("the token is not sent to {}, which is not https", home);
    }
  }
}

WebConnection::~WebConnection() = default;

bool WebConnection::is_home(const std::string& url) const {
  return std::any_of(options_.homes.begin(), options_.homes.end(),
                     [&](const std::string& home) { return same_origin(url, home); });
}

WebReply WebConnection::head(const std::string& url) { return follow({.head = true, .url = url}); }

WebReply WebConnection::get(const std::string& url, int64_t begin, const Sink& sink) {
  return follow({.url = url, .begin = begin, .sink = sink});
}

WebReply WebConnection::get(const std::string& url) { return follow({.url = url}); }

WebReply WebConnection::follow(Request request) {
  std::string redirect;
  for (int hop = 0; hop <= kMaxRedirects; ++hop) {
    WebReply reply = send(request, redirect);
    if (redirect.empty() || (request.head && !is_home(redirect))) return reply;
    request.url = redirect;
  }
  WebReply reply;
  reply.error = fmt::format("more than {} redirects", kMaxRedirects);
  return reply;
}

WebReply WebConnection::send(const Request& request, std::string& redirect) {
  CURL* handle = handle_.get();
  Transfer transfer;
  transfer.sink = &request.sink;
  transfer.stall_timeout = options_.stall_timeout;
  HeaderList headers;
  append(headers, "Accept-Encoding: identity");  // sizes and ranges are those of the file itself
  if (request.begin > 0) append(headers, fmt::format("Range: bytes={}-", request.begin));
  if (!options_.token.empty() && is_home(request.url) && is_private(request.url))
    append(headers, "Authorization: Bearer " + options_.token);
  curl_easy_reset(handle);  // keeps the connection
  message_.assign(CURL_ERROR_SIZE, '\0');
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, message_.data());
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, request.https_only ? "https" : "http,https");
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "paraclip/" PARACLIP_VERSION);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_NOBODY, request.head ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   std::max(1L, std::lround(options_.connect_timeout * 1000)));
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
  const CURLcode result = curl_easy_perform(handle);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (stop_requested()) fail_interrupted();
  WebReply& reply = transfer.reply;
  redirect.clear();
  if (result != CURLE_OK) {
    reply.status = 0;
    reply.unreachable = no_connection(result);
    reply.error = transfer.stalled ? fmt::format("no data for {} seconds", options_.stall_timeout)
                                   : std::string(message_[0] != '\0' ? message_.c_str()
                                                                     : curl_easy_strerror(result));
    return std::move(reply);
  }
  curl_off_t retry_after = 0;
  curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &retry_after);
  reply.retry_after = static_cast<double>(retry_after);
  char* target = nullptr;
  curl_easy_getinfo(handle, CURLINFO_REDIRECT_URL, &target);
  if (is_redirect(reply.status) && target != nullptr) redirect = target;
  return std::move(reply);
}

void WebConnection::wait(int failures, const WebReply& reply) const {
  const auto end = Clock::now() + std::chrono::duration<double>(
                                      retry_wait(failures, reply.retry_after, options_.first_wait));
  while (Clock::now() < end) {
    if (stop_requested()) fail_interrupted();
    std::this_thread::sleep_for(
        std::min<std::chrono::duration<double>>(end - Clock::now(), std::chrono::milliseconds(50)));
  }
}

}  // namespace paraclip
