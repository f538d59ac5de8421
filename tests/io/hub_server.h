#pragma once

#include "tests/io/http_server.h"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace paraclip::test {

/// Answers as the hub does for the one model org/clip: small files from itself behind a relative
/// redirect, large ones by a redirect to another address, which is not told the token.
class HubServer {
 public:
  struct File {
    std::string content;
    bool large = false;  ///< Named by SHA-256 and kept elsewhere.
  };
  /// What one of the two addresses was asked.
  struct Visit {
    HttpQuery query;
    bool storage = false;  ///< Not the hub but where it keeps large files.
  };
  /// Answers in place of the server; nothing where the server shall answer.
  using Override = std::function<std::optional<HttpReply>(const Visit& visit)>;

  explicit HubServer(std::map<std::string, File> files, Override override = {});

  std::string url() const { return hub_.url(); }

  /// Moves main to another commit.
  void set_commit(const std::string& commit, std::map<std::string, File> files);
  std::string commit() const;

  /// The name of a file's blob.
  static std::string etag(const File& file);

  /// All visits so far, and those of `method` whose path ends so.
  std::vector<Visit> visits() const;
  std::vector<Visit> visits(const std::string& method, const std::string& path_end) const;

  /// 200, or 206 where `query` asks for the rest of `content`.
  static HttpReply serve(const HttpQuery& query, const std::string& content);

 private:
  HttpReply answer(const Visit& visit);
  HttpReply answer_hub(const HttpQuery& query);

  mutable std::mutex mutex_;
  std::map<std::string, File> files_;
  std::string commit_ = std::string(40, 'a');
  Override override_;
  std::vector<Visit> visits_;
  HttpServer storage_;
  HttpServer hub_;
};

}  // namespace paraclip::test
