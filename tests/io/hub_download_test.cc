#include "paraclip/base/signals.h"
#include "paraclip/io/digest.h"
#include "paraclip/io/web_connection.h"
#include "tests/io/hub_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <vector>

namespace paraclip {
namespace {

using namespace test;
using Visit = HubServer::Visit;

// Answers 206 or 200 and breaks off after `size` bytes.
HttpReply cut(HttpReply reply, size_t size) {
  reply.body.resize(std::min(size, reply.body.size()));
  reply.close = true;
  return reply;
}

TEST(Digest, EqualsPublishedValues) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(git_blob_hash(""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(git_blob_hash("hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST(Hub, TellsTheTokenToTheHubAlone) {
  HubFixture hub(clip_files());
  hub.options.token = kToken;
  hub.fetch();
  size_t stored = 0;
  for (const Visit& visit : hub.server.visits()) {
    EXPECT_EQ(visit.query.authorization, visit.storage ? "" : std::string("Bearer ") + kToken)
        << visit.query.path;
    stored += visit.storage ? 1 : 0;
  }
  EXPECT_EQ(stored, 1u);
}

TEST(Hub, TellsTheTokenToNobodyByPlainHttp) {
  HubFixture hub(clip_files());
  hub.options.token = kToken;
  // This machine too, but not by one of the names that are known for it.
  hub.options.endpoint.replace(hub.options.endpoint.find("127.0.0.1"), 9, "0.0.0.0");
  hub.fetch();
  for (const Visit& visit : hub.server.visits()) EXPECT_EQ(visit.query.authorization, "");
}

TEST(Hub, ReportsProgressOverAllFiles) {
  const HubFixture hub(clip_files());
  std::vector<ProgressState> states;
  fetch_model(kModel, hub.options, [&](const ProgressState& state) { states.push_back(state); });
  ASSERT_FALSE(states.empty());
  for (size_t i = 1; i < states.size(); ++i) EXPECT_GE(states[i].done, states[i - 1].done);
  EXPECT_EQ(states.back().detail, kWeights);
  EXPECT_EQ(states.back().done, states.back().total);
  EXPECT_GT(states.back().total, 100000);
  expect_has(states.back().label, "org/clip");
}

TEST(Hub, GoesOnWhereAConnectionBroke) {
  int requests = 0;
  const Files files = clip_files();
  const HubFixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage || ++requests > 3) return std::nullopt;
    return cut(HubServer::serve(visit.query, files.at(kWeights).content), /*size=*/20000);
  });
  EXPECT_EQ(read_file(hub.fetch() / kWeights), files.at(kWeights).content);
  const std::vector<Visit> visits = hub.server.visits("GET", std::string("/") + kWeights);
  std::vector<std::string> ranges;
  for (const Visit& visit : visits) {
    if (visit.storage) ranges.push_back(visit.query.range);
  }
  EXPECT_EQ(ranges, (std::vector<std::string>{"", "bytes=20000-", "bytes=40000-", "bytes=60000-"}));
}

TEST(Hub, GoesOnInTheNextRun) {
  bool broken = true;
  const Files files = clip_files();
  const HubFixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage || !broken) return std::nullopt;
    const HttpReply reply = HubServer::serve(visit.query, files.at(kWeights).content);
    return cut(reply, visit.query.range.empty() ? 30000 : 0);
  });
  const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
  expect_has(message, "30000 of 100000 bytes");
  EXPECT_EQ(fs::file_size(hub.incomplete(files.at(kWeights))), 30000u);
  EXPECT_FALSE(fs::exists(hub.repository() / "refs/main"));
  broken = false;
  EXPECT_EQ(read_file(hub.fetch() / kWeights), files.at(kWeights).content);
  EXPECT_EQ(hub.server.visits().back().query.range, "bytes=30000-");
  EXPECT_FALSE(fs::exists(hub.incomplete(files.at(kWeights))));
}

TEST(Hub, TakesUpADownloadThatIsWholeOrTooLong) {
  const Files files = clip_files();
  for (const size_t size : {size_t{100000}, size_t{100001}}) {
    const HubFixture hub(files);
    const std::string content = files.at(kWeights).content + "x";
    write_all(hub.incomplete(files.at(kWeights)), content.substr(0, size));
    EXPECT_EQ(read_file(hub.fetch() / kWeights), files.at(kWeights).content);
  }
}

TEST(Hub, StartsOverWhereTheServerCannotGoOn) {
  const Files files = clip_files();
  const HubFixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage) return std::nullopt;
    return HttpReply{.body = files.at(kWeights).content};
  });
  write_all(hub.incomplete(files.at(kWeights)), files.at(kWeights).content.substr(0, 30000));
  EXPECT_EQ(read_file(hub.fetch() / kWeights), files.at(kWeights).content);
  EXPECT_EQ(hub.server.visits().back().query.range, "bytes=30000-");
}

TEST(Hub, RefusesAnotherRangeThanItAskedFor) {
  const Files files = clip_files();
  const HubFixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage) return std::nullopt;
    HttpQuery other = visit.query;
    other.range = "bytes=10000-";
    return HubServer::serve(other, files.at(kWeights).content);
  });
  write_all(hub.incomplete(files.at(kWeights)), files.at(kWeights).content.substr(0, 30000));
  expect_has(message_of(ErrorKind::kNetwork, [&] { hub.fetch(); }), "asked for byte 30000");
}

TEST(Hub, AsksAgainWhatFailedForTheMoment) {
  std::map<std::string, int> requests;
  const HubFixture hub(clip_files(), [&](const Visit& visit) -> std::optional<HttpReply> {
    switch (++requests[visit.query.method + visit.query.path]) {
      case 1: return HttpReply{.status = 429, .headers = {{"Retry-After", "0"}}};
      case 2: return HttpReply{.status = 503};
      default: return std::nullopt;
    }
  });
  EXPECT_EQ(read_file(hub.fetch() / kWeights), clip_files()[kWeights].content);
}

TEST(Hub, GivesUpWhatKeepsFailing) {
  const HubFixture hub(clip_files(), [](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage) return std::nullopt;
    return HttpReply{.status = 502};
  });
  expect_has(message_of(ErrorKind::kNetwork, [&] { hub.fetch(); }), "HTTP 502");
  EXPECT_EQ(hub.server.visits("GET", std::string("/") + kWeights).size(), 10u);  // 5, redirected
}

TEST(Hub, CutsOffAStall) {
  const Files files = clip_files();
  bool stalled = false;
  HubFixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage || stalled) return std::nullopt;
    stalled = true;
    HttpReply reply = HubServer::serve(visit.query, files.at(kWeights).content);
    reply.stall = 1.5;
    return reply;
  });
  hub.options.stall_timeout = 0.2;
  EXPECT_EQ(read_file(hub.fetch() / kWeights), files.at(kWeights).content);
  EXPECT_EQ(hub.server.visits("GET", std::string("/") + kWeights).size(), 4u);  // 2, redirected
}

TEST(WebConnection, WaitsAsLongAsTheServerAsks) {
  const HubFixture hub(clip_files(), [](const Visit&) {
    return HttpReply{.status = 429, .headers = {{"Retry-After", "7"}}};
  });
  WebConnection connection;
  const WebReply reply = connection.get(hub.server.url());
  EXPECT_TRUE(reply.temporary());
  EXPECT_EQ(reply.retry_after, 7.0);
  EXPECT_EQ(retry_wait(/*failures=*/1, reply.retry_after, /*first=*/1.0), 7.0);
  EXPECT_EQ(retry_wait(/*failures=*/1, /*retry_after=*/0.0, /*first=*/1.0), 1.0);
  EXPECT_EQ(retry_wait(/*failures=*/4, /*retry_after=*/7.0, /*first=*/1.0), 8.0);
  EXPECT_EQ(retry_wait(/*failures=*/4, /*retry_after=*/1e9, /*first=*/1.0), 300.0);
}

TEST(WebConnection, EndsRedirectsInACircle) {
  const HubFixture hub(clip_files(), [](const Visit& visit) {
    return HttpReply{.status = 302, .headers = {{"Location", visit.query.path}}};
  });
  WebConnection connection;
  expect_has(connection.get(hub.server.url() + "/x").error, "redirects");
}

TEST(WebConnection, ComparesOrigins) {
  EXPECT_TRUE(same_origin("https://hub.example/a", "https://HUB.example:443/b?c"));
  for (const char* other :
       {"http://hub.example/a", "https://hub.example:444/a", "https://x.hub.example/a",
        "https://hub.example.x/a", "https://hub.example@x/a", "https://x@hub.example.y/", ""})
    EXPECT_FALSE(same_origin("https://hub.example/a", other)) << other;
  EXPECT_FALSE(same_origin("", ""));
}

TEST(Hub, RemovesContentThatIsNotWhatTheHubNames) {
  for (const std::string name : {kWeights, "merges.txt"}) {
    const Files files = clip_files();
    std::string content = files.at(name).content;
    content.back() ^= 1;
    const HubFixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
      const bool body = visit.storage || visit.query.path.starts_with("/api/resolve-cache");
      if (!body || visit.query.method != "GET" || !visit.query.path.ends_with(name))
        return std::nullopt;
      return HubServer::serve(visit.query, content);
    });
    const std::string message = message_of(ErrorKind::kData, [&] { hub.fetch(); });
    expect_has(message, name);
    expect_has(message, HubServer::etag(files.at(name)));
    EXPECT_FALSE(fs::exists(hub.blob(files.at(name))));
    EXPECT_FALSE(fs::exists(hub.incomplete(files.at(name))));
  }
}

TEST(Hub, TakesNoMoreThanTheHubNames) {
  const Files files = clip_files();
  const HubFixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage) return std::nullopt;
    return HttpReply{.body = files.at(kWeights).content + "more"};
  });
  expect_has(message_of(ErrorKind::kData, [&] { hub.fetch(); }), "100000 bytes");
  EXPECT_FALSE(fs::exists(hub.blob(files.at(kWeights))));
}

TEST(Hub, SaysWhyTheHubRefuses) {
  struct Case {
    int status;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string token;
    std::vector<std::string> parts;
  };
  const Case cases[] = {
      {401, {{"X-Error-Code", "GatedRepo"}}, "", {"gated", "/org/clip", "HF_TOKEN"}},
      {403, {{"X-Error-Code", "GatedRepo"}}, kToken, {"gated", "the one in use has no access"}},
      {401, {{"X-Error-Code", "RepoNotFound"}}, "", {"no model org/clip", "private", "HF_TOKEN"}},
      {404, {{"X-Error-Code", "RepoNotFound"}}, kToken, {"no model org/clip", "token in use"}},
      {401, {}, "", {"no model org/clip", "HF_TOKEN"}},
      {404, {{"X-Error-Code", "RevisionNotFound"}}, "", {"no revision \"main\"", "/tree/main"}},
      {401,
       {{"X-Error-Message", "Invalid credentials in Authorization header"}},
       kToken,
       {"does not accept the token"}},
      {403, {{"X-Error-Message", "no\trights"}}, kToken, {"refuses access", "no?rights"}},
  };
  for (const Case& one : cases) {
    HubFixture hub(clip_files(), [&](const Visit&) {
      return HttpReply{.status = one.status, .headers = one.headers};
    });
    hub.options.token = one.token;
    const std::string message = message_of(ErrorKind::kUsage, [&] { hub.fetch(); });
    for (const std::string& part : one.parts) expect_has(message, part);
    EXPECT_EQ(hub.server.visits().size(), 1u);  // asking again would not help
  }
}

TEST(Hub, DoesNotTakeALoginPageForTheHub) {
  const HubFixture pages(clip_files(),
                         [](const Visit&) { return HttpReply{.body = "<html>Welcome!</html>"}; });
  const std::string message = message_of(ErrorKind::kNetwork, [&] { pages.fetch(); });
  expect_has(message, "not the hub");
  const HubFixture bare(clip_files(), [](const Visit& visit) -> std::optional<HttpReply> {
    if (visit.query.method != "HEAD") return std::nullopt;
    return HttpReply{.headers = {{"ETag", "\"x\""}}};
  });
  expect_has(message_of(ErrorKind::kNetwork, [&] { bare.fetch(); }), "X-Repo-Commit");
  const HubFixture climbing(clip_files(), [](const Visit& visit) -> std::optional<HttpReply> {
    if (visit.query.method != "HEAD") return std::nullopt;
    return HttpReply{.headers = {{"ETag", "\"../../../x\""}, {"X-Repo-Commit", "a"}}};
  });
  expect_has(message_of(ErrorKind::kNetwork, [&] { climbing.fetch(); }), "ETag");
}

TEST(Hub, KeepsWhatItHasWhenInterrupted) {
  const Files files = clip_files();
  bool broken = true;
  const HubFixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage || !broken) return std::nullopt;
    return cut(HubServer::serve(visit.query, files.at(kWeights).content), /*size=*/30000);
  });
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    install_stop_handler();
    try {
      fetch_model(kModel, hub.options, [](const ProgressState& state) {
        if (state.detail == kWeights && state.done > 60000) std::raise(SIGINT);
      });
    } catch (const Error& error) {
      std::_Exit(error.kind() == ErrorKind::kInterrupted ? 0 : 1);
    }
    std::_Exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  const uintmax_t kept = fs::file_size(hub.incomplete(files.at(kWeights)));
  EXPECT_GE(kept, 60000u);
  broken = false;
  EXPECT_EQ(read_file(hub.fetch() / kWeights), files.at(kWeights).content);
  EXPECT_EQ(hub.server.visits().back().query.range, fmt::format("bytes={}-", kept));
}

TEST(Hub, SaysThatTheDiskIsFull) {
  const HubFixture hub(clip_files());
  make_directories(hub.repository() / "blobs");
  fs::create_symlink("/dev/full", hub.incomplete(clip_files()[kWeights]));
  expect_has(message_of(ErrorKind::kIo, [&] { hub.fetch(); }), "free some space");
  EXPECT_TRUE(fs::exists(hub.blob(clip_files()["merges.txt"])));
}

}  // namespace
}  // namespace paraclip
