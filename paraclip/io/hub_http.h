#pragma once

#include "paraclip/io/hub.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace paraclip {

/// What came back from the hub, or from where it sent us.
struct HubReply {
  int status = 0;                              ///< HTTP status; 0 if no whole response came.
  std::map<std::string, std::string> headers;  ///< By name in lower case.
  std::string body;                            ///< What no sink took.
  double retry_after = 0.0;                    ///< Seconds that the server asks to wait.
  std::string error;                           ///< Why no whole response came; empty otherwise.
  bool unreachable = false;                    ///< No connection came about.

  /// The header `name` (lower case), or nothing.
  std::string header(const std::string& name) const;
  /// Whether asking again may help: a broken connection, 408, 429 or 5xx.
  bool temporary() const;
};

/// Whether two addresses have scheme, host and port in common.
bool same_origin(const std::string& one, const std::string& other);

/// Seconds to wait after the `failures`th failure in a row: `first` doubled each time, or what the
/// server asked for if that is longer; five minutes at most.
double retry_wait(int failures, double retry_after, double first);

/// Requests to the hub, one at a time over a kept-alive connection.
///
/// Redirects are followed here and not by libcurl: the token goes to the hub's own addresses
/// (HF_ENDPOINT, huggingface.co, hf.co) and nowhere else.
class HubConnection {
 public:
  /// Takes a part of the body of a 200 or 206 response; what it throws ends the request.
  using Sink = std::function<void(const HubReply& reply, std::string_view data)>;

  /// Throws kNetwork if libcurl cannot be set up, kUsage for bad options.
  explicit HubConnection(const HubOptions& options);
  HubConnection(const HubConnection&) = delete;
  HubConnection& operator=(const HubConnection&) = delete;
  ~HubConnection();

  /// HEAD, following redirects within the hub; one that leads elsewhere is itself the reply, for
  /// it carries what the hub says of the file. Throws kInterrupted.
  HubReply head(const std::string& url);

  /// GET, following all redirects. From byte `begin` on, if the server can do that (status 206).
  /// Throws kInterrupted and what `sink` throws.
  HubReply get(const std::string& url, int64_t begin, const Sink& sink);

  /// GET of a short text into the reply's body. Throws kInterrupted.
  HubReply get(const std::string& url);

  /// Waits before the `failures`th repetition. Throws kInterrupted.
  void wait(int failures, const HubReply& reply) const;

 private:
  struct Transfer;
  HubReply follow(bool head, std::string url, int64_t begin, const Sink& sink);
  HubReply send(bool head, const std::string& url, int64_t begin, const Sink& sink,
                std::string& redirect);
  bool is_hub(const std::string& url) const;

  HubOptions options_;
  std::string message_;  // libcurl writes into it while the handle lives
  std::unique_ptr<void, void (*)(void*)> handle_;
};

}  // namespace paraclip
