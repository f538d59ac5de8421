#include "tests/io/http_server.h"

#include <httplib.h>

#include <chrono>
#include <thread>

namespace paraclip::test {

struct HttpServer::State {
  httplib::Server server;
  std::thread thread;
  int port = 0;
};

HttpServer::HttpServer(Handler handler) : state_(std::make_unique<State>()) {
  httplib::Server& server = state_->server;
  // A kept-alive connection holds a thread.
  server.new_task_queue = [] { return new httplib::ThreadPool(/*n=*/32); };
  server.set_keep_alive_timeout(/*sec=*/1);
  const auto answer = [handler](const httplib::Request& request, httplib::Response& response) {
    // Or the library would cut what the handler has cut already.
    const_cast<httplib::Request&>(request).ranges.clear();
    const HttpReply reply =
        handler({request.path, request.body, request.get_header_value("Authorization"),
                 request.method, request.get_header_value("Range")});
    std::this_thread::sleep_for(std::chrono::duration<double>(reply.stall));
    response.status = reply.status;
    for (const auto& [name, value] : reply.headers) response.set_header(name, value);
    if (reply.close) {
      response.set_content_provider(
          reply.body.size() + 1, "application/json",
          [body = reply.body](size_t offset, size_t, httplib::DataSink& sink) {
            return offset == 0 && !body.empty() && sink.write(body.data(), body.size());
          });
    } else {
      response.set_content(reply.body, "application/json");
    }
  };
  server.Post(".*", answer);
  server.Get(".*", answer);  // and HEAD
  state_->port = server.bind_to_any_port("127.0.0.1");
  state_->thread = std::thread([this] { state_->server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

HttpServer::~HttpServer() {
  state_->server.stop();
  state_->thread.join();
}

std::string HttpServer::url() const { return "http://127.0.0.1:" + std::to_string(state_->port); }

}  // namespace paraclip::test
