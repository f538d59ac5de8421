#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace paraclip::test {

/// What the server of a test makes of one request.
struct HttpReply {
  int status = 200;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  double stall = 0.0;  ///< Seconds before the answer goes out.
  bool close = false;  ///< Break the connection off in the middle of the body.
};

/// A request as the server of a test sees it.
struct HttpQuery {
  std::string path;
  std::string body = {};
  std::string authorization;
  std::string method = "POST";  ///< Or GET, HEAD.
  std::string range = {};       ///< The header Range; the handler answers it or leaves it.
};

/// An HTTP server on a free port of 127.0.0.1 that lives as long as the object.
class HttpServer {
 public:
  /// Called on several threads at once.
  using Handler = std::function<HttpReply(const HttpQuery& query)>;

  explicit HttpServer(Handler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  /// "http://127.0.0.1:PORT".
  std::string url() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace paraclip::test
