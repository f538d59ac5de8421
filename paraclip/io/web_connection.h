#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// What came back from a server, or from where it sent us.
struct WebReply {
  int status = 0;                              ///< HTTP status; 0 if no whole response came.
  std::map<std::string, std::string> headers;  ///< By name in lower case.
  std::string body;                            ///< What no sink took.
  double retry_after = 0.0;                    ///< Seconds that the server asks to wait.
  std::string error;                           ///< Why no whole response came; empty otherwise.
  bool unreachable = false;                    ///< No connection came about.

  /// The header `name` (lower case), or nothing.
  std::string header(const std::string& name) const;
  /// The header `name` as a number of bytes; -1 if it is none.
  int64_t byte_count(const std::string& name) const;
  /// Where the content of a 206 response begins ("bytes 100-199/200"), or -1.
  int64_t range_begin() const;
  /// Whether asking again may help: a broken connection, 408, 429 or 5xx.
  bool temporary() const;
  /// Why it is not what was asked for, fit to be shown.
  std::string reason() const;
};

/// What a server says, without what could disturb a terminal, at most 200 characters of it.
std::string printable(const std::string& text);

/// Whether two addresses have scheme, host and port in common.
bool same_origin(const std::string& one, const std::string& other);

/// Seconds to wait after the `failures`th failure in a row: `first` doubled each time, or what the
/// server asked for if that is longer; five minutes at most.
double retry_wait(int failures, double retry_after, double first);

/// How a WebConnection behaves.
struct WebOptions {
  double connect_timeout = 10.0;  ///< Seconds until a connection stands.
  double stall_timeout = 30.0;    ///< Seconds without a byte after which a connection is given up.
  double first_wait = 1.0;  ///< Seconds until a failed request is repeated; doubles each time.
  std::string token;  ///< Sent to `homes` alone, by https alone (or to this machine); or empty.
  std::vector<std::string> homes;  ///< Addresses whose origins head() stays within.
};

/// Requests for files, one at a time over a kept-alive connection.
///
/// Redirects are followed here and not by libcurl: the token goes to the homes and nowhere else. A
/// request that begins by https does not go on by http.
class WebConnection {
 public:
  /// Takes a part of the body of a 200 or 206 response; what it throws ends the request.
  using Sink = std::function<void(const WebReply& reply, std::string_view data)>;

  /// Throws kNetwork if libcurl cannot be set up.
  explicit WebConnection(const WebOptions& options = {});
  WebConnection(const WebConnection&) = delete;
  WebConnection& operator=(const WebConnection&) = delete;
  ~WebConnection();

  /// HEAD, following redirects within the homes; one that leads elsewhere is itself the reply, for
  /// it carries what the home says of the file. Throws kInterrupted.
  WebReply head(const std::string& url);

  /// GET, following all redirects. From byte `begin` on, if the server can do that (status 206).
  /// Throws kInterrupted and what `sink` throws.
  WebReply get(const std::string& url, int64_t begin, const Sink& sink);

  /// GET of a short text into the reply's body. Throws kInterrupted.
  WebReply get(const std::string& url);

  /// Waits before the `failures`th repetition. Throws kInterrupted.
  void wait(int failures, const WebReply& reply) const;

 private:
  struct Transfer;
  struct Request;
  WebReply follow(Request request);
  WebReply send(const Request& request, std::string& redirect);
  bool is_home(const std::string& url) const;

  WebOptions options_;
  std::string message_;  // libcurl writes into it while the handle lives
  std::unique_ptr<void, void (*)(void*)> handle_;
};

}  // namespace paraclip
