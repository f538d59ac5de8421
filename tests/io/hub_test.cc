#include "paraclip/io/hub.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/signals.h"
#include "paraclip/io/digest.h"
#include "paraclip/io/hub_http.h"
#include "tests/io/hub_server.h"
#include "tests/support.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

using test::HttpReply;
using test::HubServer;
using test::TemporaryFolder;
using Files = std::map<std::string, HubServer::File>;
using Visit = HubServer::Visit;

constexpr const char* kToken = "hf_SecretOfTheTests";
constexpr const char* kWeights = "model.safetensors";

// Bytes without a period, so that none stands for another.
std::string bytes(size_t size, uint32_t seed = 1) {
  std::string result(size, '\0');
  for (char& c : result) {
    seed = seed * 1664525u + 1013904223u;
    c = static_cast<char>(seed >> 24);
  }
  return result;
}

// A model as most are: one file of weights, some small ones, others that no one here needs.
Files clip_files() {
  return {{"config.json", {R"({"model_type": "clip"})"}},
          {"merges.txt", {"#version: 0.2\n"}},
          {"tokenizer_config.json", {"{}"}},
          {kWeights, {bytes(100000), /*large=*/true}},
          {"pytorch_model.bin", {bytes(1000), /*large=*/true}},
          {"README.md", {"# CLIP"}}};
}

const HubModel kModel = {.repository = "org/clip"};

struct Fixture {
  TemporaryFolder folder;
  HubServer server;
  HubOptions options;

  explicit Fixture(Files files, HubServer::Override override = {})
      : server(std::move(files), std::move(override)) {
    options.cache = folder / "hub";
    options.endpoint = server.url();
    options.first_wait = 0.001;
  }

  fs::path repository() const { return options.cache / "models--org--clip"; }
  fs::path blob(const HubServer::File& file) const {
    return repository() / "blobs" / HubServer::etag(file);
  }
  fs::path incomplete(const HubServer::File& file) const {
    return blob(file).string() + ".incomplete";
  }
  fs::path fetch(const std::string& revision = "main") const {
    return fetch_model({"org/clip", revision}, options, {});
  }
};

void write_all(const fs::path& path, const std::string& content) {
  make_directories(path.parent_path());
  write_file_atomic(path, content);
}

// The message of the Error that `run` throws, checked to be of `kind`.
template <typename Run>
std::string message_of(ErrorKind kind, Run&& run) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_EQ(std::string(error.what()).find(kToken), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks: " << part;
}

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

TEST(HubModel, IsParsed) {
  const auto plain = HubModel::parse("hf:openai/clip-vit-base-patch32");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->repository, "openai/clip-vit-base-patch32");
  EXPECT_EQ(plain->revision, "main");
  const auto pinned = HubModel::parse("hf:laion/CLIP-ViT-B-32_x.y@refs/pr/1");
  ASSERT_TRUE(pinned);
  EXPECT_EQ(pinned->repository, "laion/CLIP-ViT-B-32_x.y");
  EXPECT_EQ(pinned->revision, "refs/pr/1");
  EXPECT_EQ(HubModel::parse("hf:gpt2")->repository, "gpt2");
  for (const char* path : {"openai/clip", "./hf:x", "/models/clip", ""})
    EXPECT_FALSE(HubModel::parse(path)) << path;
}

TEST(HubModel, RefusesWhatCannotBeAName) {
  for (const std::string text :
       {"hf:",        "hf:a/b/c",   "hf:a//b",          "hf:../b",   "hf:a/..",
        "hf:a/b--c",  "hf:a/b..c",  "hf:a/.b",          "hf:a/b.",   "hf:-a/b",
        "hf:a/b c",   "hf:a/b.git", "hf:a/caf\xc3\xa9", "hf:/b",     "hf:a/",
        "hf://a/b",   "hf:a/b@",    "hf:a/b@../../x",   "hf:a/b@/x", "hf:a/b@x y",
        "hf:a/b@x\n", "hf:a/b@.x",  "hf:a/b@x/.y",      "hf:a/b@x~1"}) {
    SCOPED_TRACE(text);
    expect_has(message_of(ErrorKind::kUsage, [&] { HubModel::parse(text); }), "hf:ORG/NAME");
  }
  EXPECT_NO_THROW(HubModel::parse("hf:a/" + std::string(96, 'b')));
  EXPECT_THROW(HubModel::parse("hf:a/" + std::string(97, 'b')), Error);
}

// The variables that HubOptions reads, put back when the test ends.
class HubOptionsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME",
          "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
          "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
      const char* value = std::getenv(name);
      saved_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      ::unsetenv(name);
    }
    set("HOME", folder_.path());
  }
  void TearDown() override {
    for (const auto& [name, value] : saved_) {
      if (value) ::setenv(name.c_str(), value->c_str(), /*replace=*/1);
      if (!value) ::unsetenv(name.c_str());
    }
  }
  void set(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), /*replace=*/1);
  }

  TemporaryFolder folder_;
  std::map<std::string, std::optional<std::string>> saved_;
};

TEST_F(HubOptionsTest, FindsTheCacheByTheConventions) {
  const auto cache = [] { return HubOptions::from_environment().cache.string(); };
  const std::string home = folder_.path();
  EXPECT_EQ(cache(), home + "/.cache/huggingface/hub");
  set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(cache(), "/xdg/huggingface/hub");
  set("HF_HOME", "~/hf");
  EXPECT_EQ(cache(), home + "/hf/hub");
  set("HF_HOME", "${HOME}/$NO_SUCH_VARIABLE/$HOME");
  EXPECT_EQ(cache(), home + "/$NO_SUCH_VARIABLE/" + home + "/hub");
  set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(cache(), "/old");
  set("HF_HUB_CACHE", "/new");
  EXPECT_EQ(cache(), "/new");
}

TEST_F(HubOptionsTest, FindsTheTokenByTheConventions) {
  const auto token = [] { return HubOptions::from_environment().token; };
  EXPECT_EQ(token(), "");
  write_all(folder_ / ".cache/huggingface/token", "of_the_login\n");
  EXPECT_EQ(token(), "of_the_login");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(token(), "");
  set("HUGGING_FACE_HUB_TOKEN", "of_old");
  EXPECT_EQ(token(), "of_old");
  set("HF_TOKEN", " of_now\r\n");
  EXPECT_EQ(token(), "of_now");
  set("HF_TOKEN", std::string(kToken) + "\x01");
  expect_has(message_of(ErrorKind::kUsage, token), "HF_TOKEN");
}

TEST_F(HubOptionsTest, ReadsEndpointAndOffline) {
  EXPECT_EQ(HubOptions::from_environment().endpoint, "https://huggingface.co");
  EXPECT_FALSE(HubOptions::from_environment().offline);
  set("HF_ENDPOINT", "https://mirror.example/");
  set("TRANSFORMERS_OFFLINE", "yes");
  EXPECT_EQ(HubOptions::from_environment().endpoint, "https://mirror.example");
  EXPECT_TRUE(HubOptions::from_environment().offline);
  set("HF_HUB_OFFLINE", "0");
  EXPECT_FALSE(HubOptions::from_environment().offline);
  set("HF_ENDPOINT", "ftp://mirror.example");
  EXPECT_THROW(HubOptions::from_environment().validate(), Error);
}

TEST(ChooseFiles, TakesOneFormByPreference) {
  using Names = std::vector<std::string>;
  const std::string config = "config.json";
  const std::string open_clip = "open_clip_config.json";
  struct Case {
    Names listing;
    bool clip_config;
    Names small;
    Names weights;
  };
  const Case cases[] = {
      {{config, kWeights, "vocab.json", "merges.txt", "README.md", "flax_model.msgpack"},
       true,
       {config, "merges.txt", "vocab.json"},
       {kWeights}},
      {{config, kWeights, "model.safetensors.index.json"}, true, {config}, {kWeights}},
      {{config, "model.safetensors.index.json", "pytorch_model.bin"},
       true,
       {config},
       {"model.safetensors.index.json"}},
      {{config, "pytorch_model.bin", "preprocessor_config.json"},
       true,
       {config, "preprocessor_config.json"},
       {"pytorch_model.bin"}},
      // Both forms: transformers', unless only open_clip's is safetensors.
      {{config, open_clip, "open_clip_model.safetensors", kWeights}, true, {config}, {kWeights}},
      {{config, open_clip, "open_clip_model.safetensors", "pytorch_model.bin"},
       true,
       {open_clip},
       {"open_clip_model.safetensors"}},
      {{config, open_clip, "open_clip_pytorch_model.bin", "pytorch_model.bin"},
       true,
       {config},
       {"pytorch_model.bin"}},
      {{config, open_clip, "open_clip_model.safetensors", kWeights, "tokenizer.json"},
       false,
       {open_clip, "tokenizer.json"},
       {"open_clip_model.safetensors"}},
      {{open_clip, "open_clip_pytorch_model.bin"},
       false,
       {open_clip},
       {"open_clip_pytorch_model.bin"}},
      // Weights without the configuration of their form, and the other way round.
      {{open_clip, kWeights}, false, {}, {}},
      {{config, "open_clip_model.safetensors"}, true, {}, {}},
      {{config, "pytorch_model.bin.index.json"}, true, {}, {}},
      {{config, kWeights}, false, {}, {}},
      {{}, false, {}, {}},
  };
  for (const Case& one : cases) {
    const HubFiles files = choose_files(one.listing, one.clip_config);
    EXPECT_EQ(files.small, one.small) << testing::PrintToString(one.listing);
    EXPECT_EQ(files.weights, one.weights) << testing::PrintToString(one.listing);
  }
}

TEST(Hub, DownloadsWhatTheProgramUsesInTheLayoutOfTheCache) {
  const Fixture hub(clip_files());
  const fs::path snapshot = hub.fetch();
  EXPECT_EQ(snapshot, hub.repository() / "snapshots" / hub.server.commit());
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(snapshot)) {
    const std::string name = entry.path().filename();
    const HubServer::File file = clip_files().at(name);
    names.insert(name);
    ASSERT_TRUE(entry.is_symlink()) << name;
    EXPECT_EQ(fs::read_symlink(entry.path()), fs::path("../../blobs") / HubServer::etag(file));
    EXPECT_EQ(read_file(entry.path()), file.content) << name;
  }
  EXPECT_EQ(names, (std::set<std::string>{"config.json", "merges.txt", "tokenizer_config.json",
                                          kWeights}));
  EXPECT_EQ(read_file(hub.repository() / "refs/main"), hub.server.commit());
  for (const auto& entry : fs::directory_iterator(hub.repository() / "blobs"))
    EXPECT_NE(entry.path().extension(), ".incomplete");
}

TEST(Hub, FetchesNothingTwice) {
  Fixture hub(clip_files());
  hub.fetch();
  const size_t before = hub.server.visits().size();
  hub.fetch();
  ASSERT_EQ(hub.server.visits().size(), before + 1);  // where main is
  // Another commit with other weights: the rest is there.
  Files files = clip_files();
  files[kWeights].content = bytes(5000, 2);
  hub.server.set_commit(std::string(40, 'b'), files);
  const fs::path snapshot = hub.fetch();
  EXPECT_EQ(read_file(snapshot / kWeights), files[kWeights].content);
  EXPECT_EQ(read_file(snapshot / "merges.txt"), files["merges.txt"].content);
  EXPECT_EQ(hub.server.visits("GET", "merges.txt").size(), 2u);  // the redirect and the file
  EXPECT_EQ(read_file(hub.repository() / "refs/main"), std::string(40, 'b'));
}

TEST(Hub, TakesWeightsThatAreThereInAnotherForm) {
  const Fixture hub(clip_files());
  const fs::path snapshot = hub.repository() / "snapshots" / hub.server.commit();
  write_all(snapshot / "config.json", clip_files()["config.json"].content);
  write_all(snapshot / "pytorch_model.bin", "weights");
  EXPECT_EQ(hub.fetch(), snapshot);
  EXPECT_FALSE(fs::exists(snapshot / kWeights));
  EXPECT_TRUE(fs::exists(snapshot / "merges.txt"));
}

TEST(Hub, FollowsABranchWithASlash) {
  const Fixture hub(clip_files());
  EXPECT_EQ(hub.fetch("refs/pr/1").filename(), hub.server.commit());
  EXPECT_EQ(read_file(hub.repository() / "refs/refs/pr/1"), hub.server.commit());
}

TEST(Hub, TellsTheTokenToTheHubAlone) {
  Fixture hub(clip_files());
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
  Fixture hub(clip_files());
  hub.options.token = kToken;
  // This machine too, but not by one of the names that are known for it.
  hub.options.endpoint.replace(hub.options.endpoint.find("127.0.0.1"), 9, "0.0.0.0");
  hub.fetch();
  for (const Visit& visit : hub.server.visits()) EXPECT_EQ(visit.query.authorization, "");
}

TEST(Hub, ReportsProgressOverAllFiles) {
  const Fixture hub(clip_files());
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
  const Fixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
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
  const Fixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
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
    const Fixture hub(files);
    const std::string content = files.at(kWeights).content + "x";
    write_all(hub.incomplete(files.at(kWeights)), content.substr(0, size));
    EXPECT_EQ(read_file(hub.fetch() / kWeights), files.at(kWeights).content);
  }
}

TEST(Hub, StartsOverWhereTheServerCannotGoOn) {
  const Files files = clip_files();
  const Fixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage) return std::nullopt;
    return HttpReply{.body = files.at(kWeights).content};
  });
  write_all(hub.incomplete(files.at(kWeights)), files.at(kWeights).content.substr(0, 30000));
  EXPECT_EQ(read_file(hub.fetch() / kWeights), files.at(kWeights).content);
  EXPECT_EQ(hub.server.visits().back().query.range, "bytes=30000-");
}

TEST(Hub, RefusesAnotherRangeThanItAskedFor) {
  const Files files = clip_files();
  const Fixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage) return std::nullopt;
    test::HttpQuery other = visit.query;
    other.range = "bytes=10000-";
    return HubServer::serve(other, files.at(kWeights).content);
  });
  write_all(hub.incomplete(files.at(kWeights)), files.at(kWeights).content.substr(0, 30000));
  expect_has(message_of(ErrorKind::kNetwork, [&] { hub.fetch(); }), "asked for byte 30000");
}

TEST(Hub, AsksAgainWhatFailedForTheMoment) {
  std::map<std::string, int> requests;
  const Fixture hub(clip_files(), [&](const Visit& visit) -> std::optional<HttpReply> {
    switch (++requests[visit.query.method + visit.query.path]) {
      case 1: return HttpReply{.status = 429, .headers = {{"Retry-After", "0"}}};
      case 2: return HttpReply{.status = 503};
      default: return std::nullopt;
    }
  });
  EXPECT_EQ(read_file(hub.fetch() / kWeights), clip_files()[kWeights].content);
}

TEST(Hub, GivesUpWhatKeepsFailing) {
  const Fixture hub(clip_files(), [](const Visit& visit) -> std::optional<HttpReply> {
    if (!visit.storage) return std::nullopt;
    return HttpReply{.status = 502};
  });
  expect_has(message_of(ErrorKind::kNetwork, [&] { hub.fetch(); }), "HTTP 502");
  EXPECT_EQ(hub.server.visits("GET", std::string("/") + kWeights).size(), 10u);  // 5, redirected
}

TEST(Hub, CutsOffAStall) {
  const Files files = clip_files();
  bool stalled = false;
  Fixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
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

TEST(HubConnection, WaitsAsLongAsTheServerAsks) {
  const Fixture hub(clip_files(), [](const Visit&) {
    return HttpReply{.status = 429, .headers = {{"Retry-After", "7"}}};
  });
  HubConnection connection(hub.options);
  const HubReply reply = connection.get(hub.server.url());
  EXPECT_TRUE(reply.temporary());
  EXPECT_EQ(reply.retry_after, 7.0);
  EXPECT_EQ(retry_wait(/*failures=*/1, reply.retry_after, /*first=*/1.0), 7.0);
  EXPECT_EQ(retry_wait(/*failures=*/1, /*retry_after=*/0.0, /*first=*/1.0), 1.0);
  EXPECT_EQ(retry_wait(/*failures=*/4, /*retry_after=*/7.0, /*first=*/1.0), 8.0);
  EXPECT_EQ(retry_wait(/*failures=*/4, /*retry_after=*/1e9, /*first=*/1.0), 300.0);
}

TEST(HubConnection, EndsRedirectsInACircle) {
  const Fixture hub(clip_files(), [](const Visit& visit) {
    return HttpReply{.status = 302, .headers = {{"Location", visit.query.path}}};
  });
  HubConnection connection(hub.options);
  expect_has(connection.get(hub.server.url() + "/x").error, "redirects");
}

TEST(HubConnection, ComparesOrigins) {
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
    const Fixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
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
  const Fixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
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
    Fixture hub(clip_files(), [&](const Visit&) {
      return HttpReply{.status = one.status, .headers = one.headers};
    });
    hub.options.token = one.token;
    const std::string message = message_of(ErrorKind::kUsage, [&] { hub.fetch(); });
    for (const std::string& part : one.parts) expect_has(message, part);
    EXPECT_EQ(hub.server.visits().size(), 1u);  // asking again would not help
  }
}

TEST(Hub, DoesNotTakeALoginPageForTheHub) {
  const Fixture pages(clip_files(),
                      [](const Visit&) { return HttpReply{.body = "<html>Welcome!</html>"}; });
  const std::string message = message_of(ErrorKind::kNetwork, [&] { pages.fetch(); });
  expect_has(message, "not the hub");
  const Fixture bare(clip_files(), [](const Visit& visit) -> std::optional<HttpReply> {
    if (visit.query.method != "HEAD") return std::nullopt;
    return HttpReply{.headers = {{"ETag", "\"x\""}}};
  });
  expect_has(message_of(ErrorKind::kNetwork, [&] { bare.fetch(); }), "X-Repo-Commit");
  const Fixture climbing(clip_files(), [](const Visit& visit) -> std::optional<HttpReply> {
    if (visit.query.method != "HEAD") return std::nullopt;
    return HttpReply{.headers = {{"ETag", "\"../../../x\""}, {"X-Repo-Commit", "a"}}};
  });
  expect_has(message_of(ErrorKind::kNetwork, [&] { climbing.fetch(); }), "ETag");
}

TEST(Hub, NamesWhatIsMissingWhereTheHubCannotBeAsked) {
  Fixture hub(clip_files());
  hub.options.endpoint = "http://127.0.0.1:1";
  for (const bool offline : {false, true}) {
    hub.options.offline = offline;
    const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
    const std::string folder = hub.repository() / "snapshots/main";
    for (const char* name : {"config.json", kWeights}) {
      expect_has(message, folder + "/" + name);
      expect_has(message, "http://127.0.0.1:1/org/clip/resolve/main/" + std::string(name));
    }
    expect_has(message, "Any folder with these files can be given");
    expect_has(message, offline ? "HF_HUB_OFFLINE" : "onnect");
  }
  // Files put where the message says are found.
  write_all(hub.repository() / "snapshots/main/config.json", R"({"model_type": "clip"})");
  const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
  expect_has(message, kWeights);
  EXPECT_EQ(message.find("config.json"), std::string::npos) << message;
  write_all(hub.repository() / "snapshots/main" / kWeights, "weights");
  EXPECT_EQ(hub.fetch(), hub.repository() / "snapshots/main");
}

TEST(Hub, UsesWhatIsCompleteWhereTheHubCannotBeAsked) {
  Fixture hub(clip_files());
  const fs::path snapshot = hub.fetch();
  hub.options.endpoint = "http://127.0.0.1:1";
  EXPECT_EQ(hub.fetch(), snapshot);
  hub.options.offline = true;
  EXPECT_EQ(hub.fetch(), snapshot);
  // A link to nothing is no file.
  fs::remove(hub.blob(clip_files()[kWeights]));
  const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
  expect_has(message, (snapshot / kWeights).string());
}

TEST(Hub, AsksNobodyForACommitThatIsComplete) {
  const Fixture hub(clip_files());
  const fs::path snapshot = hub.fetch(hub.server.commit());
  const size_t before = hub.server.visits().size();
  EXPECT_EQ(hub.fetch(hub.server.commit()), snapshot);
  EXPECT_EQ(hub.server.visits().size(), before);
  EXPECT_FALSE(fs::exists(hub.repository() / "refs"));
}

Files sharded(const std::string& second) {
  return {{"config.json", {R"({"model_type": "clip"})"}},
          {"model.safetensors.index.json",
           {R"({"weight_map": {"a": "part-1.safetensors", "b": ")" + second + R"("}})"}},
          {"part-1.safetensors", {bytes(1000, 1), /*large=*/true}},
          {"part-2.safetensors", {bytes(1000, 2), /*large=*/true}}};
}

TEST(Hub, FetchesTheShardsThatTheIndexNames) {
  Fixture hub(sharded("part-2.safetensors"));
  const fs::path snapshot = hub.fetch();
  for (const char* name : {"part-1.safetensors", "part-2.safetensors"})
    EXPECT_EQ(read_file(snapshot / name), sharded("")[name].content);
  hub.options.offline = true;
  EXPECT_EQ(hub.fetch(), snapshot);
  fs::remove(snapshot / "part-2.safetensors");
  const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
  expect_has(message, (snapshot / "part-2.safetensors").string());
  EXPECT_EQ(message.find("part-1"), std::string::npos) << message;
}

TEST(Hub, RefusesShardsOutsideTheFolder) {
  for (const char* name : {"../part-2.safetensors", "/etc/passwd", "..", ""}) {
    const Fixture hub(sharded(name));
    expect_has(message_of(ErrorKind::kData, [&] { hub.fetch(); }), "weight_map");
  }
}

TEST(Hub, RefusesWhatIsNoClip) {
  struct Case {
    Files files;
    std::string part;
  };
  const Case cases[] = {
      {{{"config.json", {R"({"model_type": "siglip"})"}}, {kWeights, {"weights", true}}},
       "\"siglip\""},
      {{{"config.json", {R"({"model_type": "clip"})"}}, {"pytorch_model.bin.index.json", {"{}"}}},
       "pytorch_model.bin.index.json"},
      {{{kWeights, {"weights", true}}}, "neither config.json nor open_clip_config.json"},
      {{{"config.json", {R"({"model_type": "clip"})"}}}, "no weights"},
  };
  for (const Case& one : cases) {
    const Fixture hub(one.files);
    expect_has(message_of(ErrorKind::kData, [&] { hub.fetch(); }), one.part);
    EXPECT_TRUE(hub.server.visits("GET", kWeights).empty());
  }
}

TEST(Hub, TakesOpenClipsFormWhereConfigIsNoClips) {
  Fixture hub({{"config.json", {R"({"model_type": "roberta"})"}},
               {kWeights, {"weights", true}},
               {"open_clip_config.json", {"{}"}},
               {"open_clip_model.safetensors", {"open weights", true}}});
  const fs::path snapshot = hub.fetch();
  EXPECT_EQ(read_file(snapshot / "open_clip_model.safetensors"), "open weights");
  EXPECT_FALSE(fs::exists(snapshot / "config.json"));
  EXPECT_FALSE(fs::exists(snapshot / kWeights));
  hub.options.offline = true;
  EXPECT_EQ(hub.fetch(), snapshot);
}

TEST(Hub, DownloadsOnceForTwoAtATime) {
  const Fixture hub(clip_files());
  std::thread other([&] { hub.fetch(); });
  hub.fetch();
  other.join();
  size_t stored = 0;
  for (const Visit& visit : hub.server.visits()) stored += visit.storage ? 1 : 0;
  EXPECT_EQ(stored, 1u);
}

TEST(Hub, WaitsForTheProcessThatHoldsTheBlob) {
  const Fixture hub(clip_files());
  const HubServer::File weights = clip_files()[kWeights];
  const fs::path lock =
      hub.options.cache / ".locks/models--org--clip" / (HubServer::etag(weights) + ".lock");
  write_all(lock, "");
  const int held = ::open(lock.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  std::thread fetching([&] { hub.fetch(); });
  while (hub.server.visits("HEAD", kWeights).empty()) std::this_thread::yield();
  // The holder finishes the file: there is nothing left to download.
  write_all(hub.blob(weights), weights.content);
  ::close(held);
  fetching.join();
  EXPECT_TRUE(hub.server.visits("GET", kWeights).empty());
}

TEST(Hub, KeepsWhatItHasWhenInterrupted) {
  const Files files = clip_files();
  bool broken = true;
  const Fixture hub(files, [&](const Visit& visit) -> std::optional<HttpReply> {
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
  const Fixture hub(clip_files());
  make_directories(hub.repository() / "blobs");
  fs::create_symlink("/dev/full", hub.incomplete(clip_files()[kWeights]));
  expect_has(message_of(ErrorKind::kIo, [&] { hub.fetch(); }), "free some space");
  EXPECT_TRUE(fs::exists(hub.blob(clip_files()["merges.txt"])));
}

}  // namespace
}  // namespace paraclip
