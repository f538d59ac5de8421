#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace paraclip {

/// Limits of an HttpClient.
struct HttpClientOptions {
  double connect_timeout = 10.0;           ///< Seconds until the connection stands.
  double timeout = 120.0;                  ///< Seconds for a whole request.
  size_t max_response = size_t{16} << 20;  ///< Bytes of a response body.
};

/// A POST request.
struct HttpRequest {
  uint64_t id = 0;                   ///< Chosen by the caller, handed back with the response.
  std::string url;                   ///< http or https.
  std::vector<std::string> headers;  ///< "Name: value".
  std::string body;
};

/// What became of a request.
struct HttpResponse {
  uint64_t id = 0;
  int status = 0;  ///< HTTP status; 0 if no whole response came.
  std::string body;
  double retry_after = 0;  ///< Seconds that the server asks to wait (Retry-After, either form).
  std::string error;       ///< Why no whole response came; empty otherwise.
};

/// Sends many requests at a time over kept-alive connections, on the calling thread. Redirects are
/// not followed: they would carry credentials elsewhere.
class HttpClient {
 public:
  /// Throws kNetwork if the network library cannot be set up.
  explicit HttpClient(const HttpClientOptions& options);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  /// Drops what is in flight.
  ~HttpClient();

  /// Starts `request`.
  void submit(HttpRequest request);

  /// Requests started and not handed back by poll().
  size_t in_flight() const;

  /// Moves data until a request is finished or `seconds` have passed, and hands over those that
  /// are. With nothing in flight it waits out the time.
  std::vector<HttpResponse> poll(double seconds);

 private:
  struct Transfer;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace paraclip
