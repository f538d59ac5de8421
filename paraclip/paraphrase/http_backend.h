#pragma once

#include "paraclip/base/json.h"
#include "paraclip/io/http_client.h"
#include "paraclip/paraphrase/backend.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace paraclip {

/// Which server answers, and how patiently it is asked.
struct HttpBackendOptions {
  std::string base_url = "https://api.openai.com/v1";  ///< Without "/chat/completions".
  std::string model;                                   ///< The "model" field.
  std::string api_key;        ///< Sent as bearer token; empty for servers that want none.
  std::string api_key_hint;   ///< Where the key comes from, for messages: "OPENAI_API_KEY".
  int concurrency = 16;       ///< Requests in flight or waiting for another try.
  double timeout = 120.0;     ///< Seconds for one try, connection included.
  int max_retries = 8;        ///< Further tries of a request.
  double first_delay = 0.5;   ///< Seconds before the second try; doubled for each further one.
  double longest_delay = 60;  ///< Where the doubling ends.
  /// Merged into every request body (RFC 7386: null removes a field), for servers that name fields
  /// otherwise: {"max_tokens": null, "max_completion_tokens": 512}.
  Json request_fields = Json::object();

  /// Throws kUsage for an option that makes no sense.
  void validate() const;
};

/// Any server with an OpenAI-compatible POST {base_url}/chat/completions.
///
/// A request with several candidates is one exchange with "n": the prompt is paid for once and an
/// answer is whole or not there. A server that ignores "n" gives one completion, which is taken as
/// it is.
///
/// Status 408, 409, 425, 429 and 5xx, connection errors, time-outs and answers that are not what
/// the protocol says are tried again with exponential back-off and jitter, not before the server's
/// Retry-After. A request that waits keeps its place, so an overloaded server is asked more slowly.
/// Other statuses fail the request; 401, 403 and 404, which all requests would meet, fail the run
/// (kUsage), and so do eight failed requests without an answer between them (kNetwork). Those eight
/// are not reported, so they are asked again when the run is resumed.
class HttpBackend : public Backend {
 public:
  /// Throws kUsage for invalid options.
  explicit HttpBackend(HttpBackendOptions options);

  std::string name() const override;

  void run(const std::function<std::optional<CompletionRequest>()>& next,
           const std::function<void(CompletionResponse)>& done) override;

 private:
  HttpBackendOptions options_;
};

/// The JSON body that asks `request` of `model`, before the pass-through fields.
Json chat_request(const CompletionRequest& request, const std::string& model);

/// Reads the answer to a chat request. Throws kData if it is not one.
CompletionResponse parse_chat_response(std::string_view body);

}  // namespace paraclip
