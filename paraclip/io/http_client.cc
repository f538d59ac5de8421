#include "paraclip/io/http_client.h"

#include "paraclip/base/error.h"

#include <curl/curl.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

namespace paraclip {
namespace {

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDeleter {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

long milliseconds(double seconds) { return std::max(1L, std::lround(seconds * 1000)); }

}  // namespace

struct HttpClient::Transfer {
  std::unique_ptr<CURL, EasyDeleter> handle;
  std::unique_ptr<curl_slist, ListDeleter> headers;
  HttpRequest request;
  HttpResponse response;
  size_t max_response = 0;
  bool overflow = false;
  char message[CURL_ERROR_SIZE] = "";

  static size_t receive(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const size_t bytes = size * count;
    if (bytes > transfer.max_response - transfer.response.body.size()) {
      transfer.overflow = true;
      return 0;
    }
    transfer.response.body.append(data, bytes);
    return bytes;
  }
};

struct HttpClient::State {
  HttpClientOptions options;
  // In this order: the transfers' handles leave the multi handle before it goes.
  std::unique_ptr<CURLM, MultiDeleter> multi;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> transfers;

  ~State() {
    for (const auto& [handle, transfer] : transfers) curl_multi_remove_handle(multi.get(), handle);
  }
};

HttpClient::HttpClient(const HttpClientOptions& options) : state_(std::make_unique<State>()) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  state_->options = options;
  if (ready == CURLE_OK) state_->multi.reset(curl_multi_init());
  if (!state_->multi) fail(ErrorKind::kNetwork, "cannot set up the network library libcurl");
}

HttpClient::~HttpClient() = default;

void HttpClient::submit(HttpRequest request) {
  auto transfer = std::make_unique<Transfer>();
  transfer->handle.reset(curl_easy_init());
  CURL* handle = transfer->handle.get();
  if (handle == nullptr) fail(ErrorKind::kNetwork, "cannot set up a request to {}", request.url);
  transfer->request = std::move(request);
  transfer->response.id = transfer->request.id;
  transfer->max_response = state_->options.max_response;
  for (const std::string& header : transfer->request.headers) {
    curl_slist* longer = curl_slist_append(transfer->headers.get(), header.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    if (!transfer->headers) transfer->headers.reset(longer);
  }
  const std::string& body = transfer->request.body;
  curl_easy_setopt(handle, CURLOPT_URL, transfer->request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "paraclip/" PARACLIP_VERSION);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, transfer->headers.get());
  curl_easy_setopt(handle, CURLOPT_POST, 1L);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   milliseconds(state_->options.connect_timeout));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, milliseconds(state_->options.timeout));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &Transfer::receive);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer.get());
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, transfer->message);
  if (curl_multi_add_handle(state_->multi.get(), handle) != CURLM_OK)
    fail(ErrorKind::kNetwork, "cannot start a request to {}", transfer->request.url);
  state_->transfers.emplace(handle, std::move(transfer));
}

size_t HttpClient::in_flight() const { return state_->transfers.size(); }

std::vector<HttpResponse> HttpClient::poll(double seconds) {
  CURLM* multi = state_->multi.get();
  int running = 0;
  curl_multi_perform(multi, &running);
  if (static_cast<size_t>(running) == state_->transfers.size()) {
    curl_multi_poll(multi, nullptr, 0, static_cast<int>(milliseconds(seconds)), nullptr);
    curl_multi_perform(multi, &running);
  }
  std::vector<HttpResponse> finished;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    const auto found = state_->transfers.find(message->easy_handle);
    Transfer& transfer = *found->second;
    HttpResponse& response = transfer.response;
    if (result == CURLE_OK) {
      long status = 0;
      curl_off_t retry_after = 0;
      curl_easy_getinfo(found->first, CURLINFO_RESPONSE_CODE, &status);
      curl_easy_getinfo(found->first, CURLINFO_RETRY_AFTER, &retry_after);
      response.status = static_cast<int>(status);
      response.retry_after = static_cast<double>(retry_after);
    } else if (transfer.overflow) {
      response.error = fmt::format("the response is longer than {} bytes", transfer.max_response);
    } else {
      response.error = transfer.message[0] != '\0' ? transfer.message : curl_easy_strerror(result);
    }
    finished.push_back(std::move(response));
    curl_multi_remove_handle(multi, found->first);
    state_->transfers.erase(found);
  }
  return finished;
}

}  // namespace paraclip
