#include "tests/io/hub_server.h"

#include "paraclip/base/json.h"
#include "paraclip/io/digest.h"

#include <fmt/format.h>

namespace paraclip::test {

HubServer::HubServer(std::map<std::string, File> files, Override override)
    : files_(std::move(files)),
      override_(std::move(override)),
      storage_([this](const HttpQuery& query) {
        return answer({query, /*storage=*/true});
      }),
      hub_([this](const HttpQuery& query) {
        return answer({query, /*storage=*/false});
      }) {}

void HubServer::set_commit(const std::string& commit, std::map<std::string, File> files) {
  const std::lock_guard lock(mutex_);
  commit_ = commit;
  files_ = std::move(files);
}

std::string HubServer::commit() const {
  const std::lock_guard lock(mutex_);
  return commit_;
}

std::string HubServer::etag(const File& file) {
  return file.large ? sha256_hex(file.content) : git_blob_hash(file.content);
}

std::vector<HubServer::Visit> HubServer::visits() const {
  const std::lock_guard lock(mutex_);
  return visits_;
}

std::vector<HubServer::Visit> HubServer::visits(const std::string& method,
                                                const std::string& path_end) const {
  std::vector<Visit> found;
  for (const Visit& visit : visits()) {
    if (visit.query.method == method && visit.query.path.ends_with(path_end))
      found.push_back(visit);
  }
  return found;
}

HttpReply HubServer::serve(const HttpQuery& query, const std::string& content) {
  if (query.range.empty()) return {.body = content};
  const size_t begin = std::stoull(query.range.substr(query.range.find('=') + 1));
  if (begin >= content.size()) return {.status = 416};
  return {.status = 206,
          .body = content.substr(begin),
          .headers = {{"Content-Range",
                       fmt::format("bytes {}-{}/{}", begin, content.size() - 1, content.size())}}};
}

HttpReply HubServer::answer(const Visit& visit) {
  const std::lock_guard lock(mutex_);
  visits_.push_back(visit);
  if (override_) {
    if (const auto reply = override_(visit)) return *reply;
  }
  if (!visit.storage) return answer_hub(visit.query);
  // Signed addresses refuse a request that carries another authorization.
  if (!visit.query.authorization.empty()) return {.status = 400};
  return serve(visit.query, files_.at(visit.query.path.substr(1)).content);
}

HttpReply HubServer::answer_hub(const HttpQuery& query) {
  const HttpReply no_model = {.status = 401, .headers = {{"X-Error-Code", "RepoNotFound"}}};
  const std::string api = "/api/models/org/clip/revision/";
  const std::string resolve = "/org/clip/resolve/" + commit_ + "/";
  const std::string resolve_cache = "/api/resolve-cache/models/org/clip/" + commit_ + "/";
  if (query.path.starts_with(api)) {
    const std::string revision = query.path.substr(api.size());
    if (revision != "main" && revision != "refs/pr/1" && revision != commit_)
      return {.status = 404, .headers = {{"X-Error-Code", "RevisionNotFound"}}};
    Json listing = {{"sha", commit_}, {"siblings", Json::array()}};
    for (const auto& [name, file] : files_) listing["siblings"].push_back({{"rfilename", name}});
    return {.body = listing.dump()};
  }
  if (query.path.starts_with(resolve)) {
    const std::string name = query.path.substr(resolve.size());
    const auto found = files_.find(name);
    if (found == files_.end())
      return {.status = 404, .headers = {{"X-Error-Code", "EntryNotFound"}}};
    const File& file = found->second;
    if (!file.large) return {.status = 307, .headers = {{"Location", resolve_cache + name}}};
    return {.status = 302,
            .headers = {{"Location", storage_.url() + "/" + name},
                        {"X-Repo-Commit", commit_},
                        {"X-Linked-Etag", fmt::format("\"{}\"", etag(file))},
                        {"X-Linked-Size", std::to_string(file.content.size())},
                        {"ETag", "\"not the blob's name\""}}};
  }
  if (query.path.starts_with(resolve_cache)) {
    const File& file = files_.at(query.path.substr(resolve_cache.size()));
    HttpReply reply = serve(query, file.content);
    reply.headers.emplace_back("X-Repo-Commit", commit_);
    reply.headers.emplace_back("ETag", fmt::format("W/\"{}\"", etag(file)));
    return reply;
  }
  return no_model;
}

}  // namespace paraclip::test
